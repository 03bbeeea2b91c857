import { RegistryError } from '../oci/error.ts';

/** Failures that another try may not meet: of connecting and of a connection, not of names and certificates. */
const transientCodes = new Set([
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_SOCKET',
]);

const timeoutCodes = new Set([
  'ETIMEDOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
]);

/** No answer, or no whole one: UNAVAILABLE, 504 for a time-out and 502 otherwise. A RegistryError stays itself. */
export function connectionError(url: URL, cause: unknown): RegistryError {
  if (cause instanceof RegistryError) return cause;
  const code = codeOf(cause);
  // The origin alone: the path of a signed URL is a secret.
  return new RegistryError('UNAVAILABLE', `no answer from ${url.origin} (${code ?? 'unknown cause'})`, {
    status: code !== undefined && timeoutCodes.has(code) ? 504 : 502,
    cause,
  });
}

/** Was this made by {@link connectionError} of something that may pass? */
export function isTransient(error: unknown): boolean {
  const code = error instanceof RegistryError ? codeOf(error.cause) : undefined;
  return code !== undefined && transientCodes.has(code);
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
