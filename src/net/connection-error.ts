import { Busy } from '../oci/busy.ts';
import { RegistryError, type RegistryErrorOptions } from '../oci/error.ts';
import { NoAnswer, type SaysOf } from '../oci/no-answer.ts';
import { own, Wording, worded } from '../oci/wording.ts';
import { errors } from './undici-core.ts';

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

/** A connection that stood, and was cut. */
const cutCodes = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** A name could not be looked up for want of an answer, which may come in a moment. */
const unansweredCode = 'ETIMEOUT';
const nameRetryAfter = { 'Retry-After': '2' };

const timeoutCodes = new Set([
  'ETIMEDOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
]);

/** Failures that no request to this host would be spared, wherever they are noticed: of its name, of connecting, of TLS. */
const hostCodes = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPROTO',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const tlsCodes =
  /^(?:CERT_|DEPTH_ZERO_|ERR_SSL_|ERR_TLS_|INVALID_CA|INVALID_PURPOSE|SELF_SIGNED_|UNABLE_TO_)/;

/** Want of something on our side, which says nothing of who was to be connected to. */
const ourCodes = new Set(['ECANCELLED', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
/** No port of ours is free; or this machine has no address of the version of IP (a container without IPv6), so that one of several says nothing. */
const noAddress = 'EADDRNOTAVAIL';

const clientCertificate = 'does it want a client certificate (tls.cert and tls.key)';
const unknownAuthority =
  'its certificate authority is not known; name it in tls.ca, or for all registries in upstream.ca';
const noTls = 'it speaks no TLS on this port; for plain HTTP set scheme: http';
const tooWeak = 'its certificate or key is too weak to be believed';

/** What a code means to whoever has to mend it. */
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EAI_AGAIN: 'the name server does not answer for NAME',
  EBADNAME: 'NAME is no name',
  ECANCELLED: 'too many names wait for the name server',
  EHOSTUNREACH: 'no route to the host',
  EMFILE: 'as many files and connections are open as this process may have',
  ENETUNREACH: 'no route to the network',
  ENODATA: 'the name is not known',
  ENOTFOUND: 'the name is not known',
  ETIMEDOUT: 'connecting took too long',
  ETIMEOUT: 'the name server does not answer for NAME',
  UND_ERR_BODY_TIMEOUT: 'the body stands still',
  UND_ERR_CONNECT_TIMEOUT: 'connecting took too long',
  UND_ERR_HEADERS_TIMEOUT: 'no status line in time',
  UND_ERR_SOCKET: 'the connection broke off',
  CERT_CHAIN_TOO_LONG: 'its chain of certificates is too long',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate has been revoked',
  CERT_SIGNATURE_FAILURE: 'its certificate is not what its certificate authority signed',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; name it in tls.ca',
  EPROTO: 'no common TLS; for plain HTTP set scheme: http',
  'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE': `it refuses our side of TLS: ${clientCertificate}`,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: `it refuses our side of TLS: ${clientCertificate}`,
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE':
    'it refuses our side of TLS: no cipher in common, or it does not serve this name',
  ERR_SSL_CA_MD_TOO_WEAK: tooWeak,
  ERR_SSL_DH_KEY_TOO_SMALL: tooWeak,
  ERR_SSL_EE_KEY_TOO_SMALL: tooWeak,
  ERR_SSL_HTTP_REQUEST: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it takes no version of TLS that we speak',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'it does not serve this name',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'it speaks no version of TLS that is safe',
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
  HPE_INVALID_CONSTANT: 'it does not speak HTTP',
  INVALID_CA: 'a certificate authority (CA) of its chain may not sign certificates',
  INVALID_PURPOSE: 'its certificate is not one for servers',
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
};

/**
 * No answer, or no whole one: UNAVAILABLE, 504 for a time-out, 503 for a name server's and 502 otherwise. A RegistryError stays itself. `via`: the host of
 * the proxy in between, which was reached.
 */
export function connectionError(url: URL, cause: unknown, via?: string): RegistryError {
  return cause instanceof RegistryError ? cause : madeOf(url, saidOf(cause), cause, via);
}

/** The same of what happened before a connection stood: then a reset or a time-out is the host's as well. {@link Busy} for want of ours. */
export function connectError(url: URL, cause: unknown, via?: string): RegistryError {
  if (cause instanceof RegistryError) return cause;
  const saysOf = causeCode(cause) === noAddress ? 'exchange' : 'host';
  return wantOfOurs(nameOf(url, via), cause) ?? madeOf(url, saysOf, cause, via);
}

/** Where it is not `whom` that does not answer, but we who cannot ask. */
export function wantOfOurs(whom: string | Wording, cause: unknown): Busy | undefined {
  if (!ourCodes.has(causeCode(cause) ?? '')) return undefined;
  return new Busy(noAnswer(whom, cause)[0], { cause });
}

function madeOf(url: URL, saysOf: SaysOf, cause: unknown, via: string | undefined): NoAnswer {
  return new NoAnswer(url, saysOf, ...noAnswer(nameOf(url, via), cause, byScheme(url, cause, saysOf)));
}

/** The origin alone: the path of a signed URL is a secret. */
function nameOf({ origin }: URL, via: string | undefined): string | Wording {
  return via === undefined ? origin : worded`${origin} through the proxy${own(` ${via}`)}`;
}

function saidOf(cause: unknown): SaysOf {
  const code = causeCode(cause) ?? '';
  return hostCodes.has(code) || tlsCodes.test(code) ? 'host' : 'exchange';
}

/**
 * Words and options of an error that says that somebody did not answer. `meaning`: of the code, where it is known better than by itself. Of
 * whom clients are not told the whole, they are not told the name either that was looked up.
 */
export function noAnswer(
  whom: string | Wording,
  cause: unknown,
  meaning?: string,
): [words: Wording, options: RegistryErrorOptions] {
  const code = causeCode(cause);
  const name = whom instanceof Wording ? own(nameIn(cause), 'it') : nameIn(cause);
  const words = worded`no answer from ${whom} (${reasonOf(cause, meaning, name)})`;
  if (code === unansweredCode) return [words, { status: 503, headers: nameRetryAfter, cause }];
  return [words, { status: code !== undefined && timeoutCodes.has(code) ? 504 : 502, cause }];
}

/** What a failure means where one scheme was spoken, and perhaps the other was expected. */
function byScheme({ protocol }: URL, cause: unknown, saysOf: SaysOf): string | undefined {
  if (protocol === 'https:') {
    if (isMute(cause))
      return 'the connection broke off without a word; perhaps it wants a client certificate (tls.cert and tls.key)';
    return saysOf === 'host' && causeCode(cause) === 'ECONNRESET'
      ? 'connection reset before TLS stood; if it speaks plain HTTP on this port set scheme: http'
      : undefined;
  }
  if (isMute(cause))
    return 'the connection broke off without a word; if it speaks TLS on this port set scheme: https';
  return causeCode(cause) === 'HPE_INVALID_CONSTANT'
    ? 'it does not speak HTTP on this port; for TLS set scheme: https'
    : undefined;
}

function reasonOf(cause: unknown, meaning: string | undefined, name: string | Wording): string | Wording {
  const code = causeCode(cause);
  if (code === undefined) return 'unknown cause';
  const [said, behind] = (meaning ?? words[code])?.split('NAME') ?? [];
  if (said === undefined) return code;
  return behind === undefined ? `${said}, ${code}` : worded`${said}${name}${behind}, ${code}`;
}

/** Does the code stand for what OpenSSL says in its own tongue, with numbers and places in its source? */
export function isOfTls(code: string): boolean {
  return code === 'EPROTO' || tlsCodes.test(code);
}

/** The name that was looked up, as it was spelled. */
function nameIn(cause: unknown): string {
  const isNamed = cause instanceof Error && 'hostname' in cause && typeof cause.hostname === 'string';
  return isNamed ? String(cause.hostname) : 'the name';
}

/**
 * Did the other side close a connection on which it had said nothing? In TLS 1.3 it refuses us, for want of a certificate, when for us the
 * connection stands already, and its alert is lost behind the end of the connection.
 */
function isMute(cause: unknown): boolean {
  return cause instanceof errors.SocketError && cause.socket?.bytesRead === 0;
}

/** Was there no answer for something that may pass? */
export function isTransient(error: unknown): boolean {
  const code = error instanceof NoAnswer ? causeCode(error.cause) : undefined;
  return code !== undefined && transientCodes.has(code);
}

/** Was there no answer, or no whole one, since a connection was cut? Not where there was none at all. */
export function isCut(error: unknown): boolean {
  const code = error instanceof NoAnswer ? causeCode(error.cause) : undefined;
  return code !== undefined && cutCodes.has(code);
}

/** The system's word for a failure. Happy eyeballs fail with one error for each address: the first that was tried at all says enough. */
export function causeCode(error: unknown): string | undefined {
  if (error instanceof AggregateError && error.errors.length > 0) {
    const codes = error.errors.map(causeCode);
    return codes.find((code) => code !== noAddress) ?? codes[0];
  }
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
