import { RegistryError } from '../oci/error.ts';
import type { Digest } from '../oci/reference.ts';

/** What was to be loaded cannot be, and why, for whoever asked for it. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** The same, and it may be right next time without anybody mending what was to be loaded. */
export class PassingLoadError extends LoadError {}

/** Of a disk or network that stumbles, or a machine that is short of something. */
const passingCodes = new Set(['EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'ESTALE', 'ETIMEDOUT']);

/** What keeps a file from being read, which says nothing of the file; or that too much is read already. */
export function isPassing(error: unknown): boolean {
  if (error instanceof RegistryError) return true;
  if (!(error instanceof Error)) return false;
  return ('code' in error && passingCodes.has(String(error.code))) || isPassing(error.cause);
}

/** It names bytes that were not brought. */
export class LackedContentError extends LoadError {
  readonly digest: Digest;

  constructor(digest: Digest, message: string) {
    super(message);
    this.digest = digest;
  }
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
