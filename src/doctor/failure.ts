import { causeCode, isOfTls } from '../net/connection-error.ts';
import type { ProxyChoice, Route } from '../net/dial/proxy-choice.ts';
import { ProxyError } from '../net/dial/proxy-error.ts';
import { RegistryError } from '../oci/error.ts';

const maxCause = 200;

/** What was thrown, for a person. What was not thrown on purpose may quote anything: only its kind is told. */
export function failureText(error: unknown): string {
  if (error instanceof RegistryError) return error.forOperator;
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

/** Who did not answer. */
interface Whom {
  readonly origin: URL;
  readonly caFiles: readonly string[];
  readonly proxies: ProxyChoice;
  /** Milliseconds since the epoch. */
  readonly endedAt: number;
}

const silentNameServer =
  'The name server does not answer: /etc/resolv.conf, network policy (port 53, UDP and TCP).';

/** What to look at when a connection failed so. Codes of Node, OpenSSL and undici. */
const byCode: Readonly<Record<string, string>> = {
  ENOTFOUND:
    'Is the name right? Ask the same name server: getent hosts NAME; in a pod its /etc/resolv.conf and dnsPolicy count.',
  EAI_AGAIN: silentNameServer,
  ETIMEOUT: silentNameServer,
  ECONNREFUSED: 'Nothing listens there: is the registry running, is the port in registries[].name right?',
  CERT_HAS_EXPIRED: 'Renew its certificate, unless the clock of this machine is wrong: it says NOW.',
  CERT_NOT_YET_VALID: 'The clock of this machine, or that of who made the certificate: here it is NOW.',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'Name the registry as its certificate does, or have the name put into the certificate.',
  EPROTO: 'Where it speaks plain http: registries[].scheme: http.',
  ERR_SSL_WRONG_VERSION_NUMBER: 'Where it speaks plain http: registries[].scheme: http.',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'Where it speaks plain http: registries[].scheme: http.',
  HPE_INVALID_CONSTANT: 'Where it speaks TLS: registries[].scheme: https. Is it a registry at all?',
};

const unreachable =
  'No way there from here: firewall, network policy, route, or a proxy that would have to be used (curl -v URL from the same machine or pod).';
const byGroup: readonly [codes: RegExp, advice: string][] = [
  [/^(?:ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/, unreachable],
  [
    /^(?:ECONNRESET|UND_ERR_SOCKET)$/,
    'Something ends the connection: a firewall, a proxy, a load balancer without a backend; or one side speaks TLS and the other does not (registries[].scheme).',
  ],
  [/TIMEOUT$/, 'It is slow or overloaded; pullTimeout says how long is waited.'],
  [
    /^ERR_SSL_.*ALERT/,
    'It refuses our side of TLS: does it want a client certificate (tls.cert, tls.key), or another?',
  ],
];

/** What to look at when there was no connection or no answer on it. Undefined: there is nothing to say beyond the error. */
export function adviceOnFailure(error: unknown, whom: Whom): string | undefined {
  const { origin, caFiles, endedAt, proxies } = whom;
  if (error instanceof ProxyError) return adviceOnProxy(error, origin, proxies.route(origin));
  if (!(error instanceof RegistryError)) return undefined;
  if (error.code === 'DENIED') return undefined;
  const code = causeCode(error.cause);
  if (code === undefined) return error.status === 504 ? unreachable : undefined;
  if (isUnknownAuthority(code)) return onAuthority(caFiles);
  const advice = byCode[code] ?? byGroup.find(([codes]) => codes.test(code))?.[1];
  return advice
    ?.replace('NAME', origin.hostname)
    .replace('URL', `${origin.origin}/v2/`)
    .replace('NOW', new Date(endedAt).toISOString());
}

function onAuthority(caFiles: readonly string[]): string {
  const files = caFiles.length === 0 ? '' : ` (${caFiles.join(', ')} did not do)`;
  return `Put the certificate of its CA as PEM into a file and name that in registries[].tls.ca${files}. Where a proxy opens TLS, that is its CA, and upstream.ca names it for all registries.`;
}

/** Does the code say that nobody whom we believe has signed the certificate? Codes of OpenSSL. */
function isUnknownAuthority(code: string): boolean {
  return /SELF_SIGNED_CERT|UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE)/.test(code);
}

/** What to look at when the proxy on the way did not answer, or gave no way. */
function adviceOnProxy({ answered, cause }: ProxyError, origin: URL, { setIn }: Route): string {
  if (answered === 401 || answered === 407)
    return `User and password for the proxy stand in its URL, percent-encoded: ${setIn}.`;
  if (answered === 403 || answered === 405)
    return `Its rules: it must let CONNECT through to ${authorityOf(origin)}. ${around}`;
  if (answered !== undefined)
    return `The proxy (${setIn}) is reached and does not come further: its log, its name server, its way out. ${around}`;
  if (isUnknownAuthority(causeCode(cause) ?? ''))
    return `Put the certificate of the proxy's CA as PEM into a file and name that in upstream.ca; or is it a proxy of http? ${setIn}.`;
  return `Does the proxy run, and is its address right? ${setIn}. ${around}`;
}

const around = 'What is to be reached without it: upstream.noProxy, or NO_PROXY.';

function authorityOf({ host, port, protocol }: URL): string {
  return port === '' ? `${host}:${protocol === 'https:' ? 443 : 80}` : host;
}
