import { BlobUnreadableError } from '../content-store.ts';
import { codeOf } from './file-system.ts';

/** What is told of the file itself, or of what lies in its place; not that this process has no file or memory left. */
const codesOfFile = new Set([
  'EACCES',
  'EIO',
  'EISDIR',
  'ELOOP',
  'ENODEV',
  'ENOTDIR',
  'ENXIO',
  'EPERM',
  'ESTALE',
]);

export function isUnreadable(error: unknown): boolean {
  return error instanceof BlobUnreadableError || codesOfFile.has(codeOf(error) ?? '');
}

/** BlobUnreadableError where the failure is the file's, else as it is. */
export function ofBlob(error: unknown): unknown {
  if (error instanceof BlobUnreadableError || !isUnreadable(error)) return error;
  return new BlobUnreadableError('a stored blob cannot be read', { cause: error });
}
