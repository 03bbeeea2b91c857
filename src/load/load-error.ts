import { RegistryError } from '../oci/error.ts';

/** What was to be loaded cannot be, and why, for whoever asked for it. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** That a file, by its name, could not be read. */
export function unreadable(name: string, error: unknown): LoadError {
  return new LoadError(`${JSON.stringify(name)} cannot be read: ${reasonOf(error)}`);
}

/** In one line, as whoever runs the program may read it: upstream's words may be among them. */
export function reasonOf(error: unknown): string {
  const words = error instanceof RegistryError ? error.forOperator : plain(error);
  return words.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
}

function plain(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
