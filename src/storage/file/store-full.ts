import { FileTooLargeError, StoreFullError } from '../content-store.ts';
import { codeOf } from './file-system.ts';

const fullCodes = new Set(['ENOSPC', 'EDQUOT']);

/** Runs file work; what failed for lack of room becomes StoreFullError, everything else stays as it is. */
export async function withRoom<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) === 'EFBIG')
      throw new FileTooLargeError('a file of the cache directory may not be so large', { cause: error });
    if (isFull(error)) throw new StoreFullError('no room left in the cache directory', { cause: error });
    throw error;
  }
}

function isFull(error: unknown): boolean {
  return fullCodes.has(codeOf(error) ?? '');
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}
