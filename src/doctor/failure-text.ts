import { causeCode, isOfTls } from '../net/connection-error.ts';
import { RegistryError } from '../oci/error.ts';

const maxCause = 200;

/** What was thrown, for a person. What was not thrown on purpose may quote anything: only its kind is told. */
export function failureText(error: unknown): string {
  if (error instanceof RegistryError) return error.message;
  return `unexpected ${error instanceof Error ? error.name : typeof error}`;
}

/**
 * The same with what the system said of a connection, which names addresses and certificates and never holds a secret. Of TLS only
 * for which names a certificate is: the rest is for who reads OpenSSL's source.
 */
export function connectionFailureText(error: unknown): string {
  const cause = error instanceof RegistryError ? error.cause : undefined;
  const code = causeCode(cause) ?? '';
  if (isOfTls(code) && code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return failureText(error);
  const said = cause instanceof Error && !(cause instanceof RegistryError) ? cause.message : '';
  const text = said.slice(0, maxCause).replaceAll(/[^\P{C}]/gu, ' ');
  return text === '' ? failureText(error) : `${failureText(error)}: ${text}`;
}
