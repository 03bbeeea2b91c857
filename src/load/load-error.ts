import { RegistryError } from '../oci/error.ts';

/** What was to be loaded cannot be, and why, for whoever asked for it. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** In one line, as whoever runs the program may read it. */
export function reasonOf(error: unknown): string {
  if (error instanceof RegistryError) return error.forOperator;
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, ' ');
}
