import { type ErrorCode, RegistryError } from './error.ts';

/**
 * What is wrong with bytes, and not whose they are: `a manifest that is not JSON`, to stand behind who sent them, or where they were
 * found. Nothing in it is quoted from them. Whoever knows the culprit names it by {@link blamed}.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
}

/** A fault as an error of the API; `culprit` with its verb: `upstream sent`. Whatever else was thrown stays itself. */
export function blamed(error: unknown, code: ErrorCode, culprit: string): unknown {
  if (!(error instanceof Fault)) return error;
  return new RegistryError(code, `${culprit} ${error.message}`, { cause: error });
}
