import { RegistryError } from '../oci/error.ts';
import type { Credential } from '../upstream/auth/credentials.ts';
import { causeCode } from '../upstream/connection-error.ts';
import { identityOf } from './identity.ts';

/** Who did not answer. */
interface Whom {
  readonly origin: URL;
  readonly caFiles: readonly string[];
  /** Milliseconds since the epoch. */
  readonly endedAt: number;
}

/** What to look at when a connection failed so. Codes of Node, OpenSSL and undici. */
const byCode: Readonly<Record<string, string>> = {
  ENOTFOUND:
    'Is the name right? Ask the same name server: getent hosts NAME; in a pod its /etc/resolv.conf and dnsPolicy count.',
  EAI_AGAIN: 'The name server does not answer: /etc/resolv.conf, network policy (port 53, UDP and TCP).',
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
export function adviceOnFailure(error: unknown, { origin, caFiles, endedAt }: Whom): string | undefined {
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

/** What to look at when a registry or a token server answered so in the end. */
export function adviceOnStatus(status: number, who: Credential): string | undefined {
  const name = identityOf(who);
  const isAnonymous = who.kind === 'anonymous';
  if (status >= 500) return 'It is out of order, or what stands before it is: its log, its status page.';
  switch (status) {
    case 400:
      return 'Does it speak TLS at this port? registries[].scheme';
    case 401:
      return isAnonymous ? wantsCredential : refusedCredential(name);
    case 403:
      return isAnonymous ? wantsCredential : forbidden(name);
    case 404:
      return isAnonymous
        ? `Is the name right? Many registries hide private images so from strangers: registries[].auth.`
        : `Is the name right? Many registries hide so what ${name} may not pull.`;
    case 429:
      return isAnonymous
        ? 'The quota of this address is used up. Who logs in has another (registries[].auth); what is cached is served meanwhile.'
        : `The quota of ${name} is used up; what is cached is served meanwhile.`;
    default:
      return undefined;
  }
}

const wantsCredential = 'It wants to know who we are: registries[].auth.';

function refusedCredential(name: string): string {
  return `It was sent ${name} and refused: is the password or token right, not expired, and for this registry?`;
}

function forbidden(name: string): string {
  return `It knows ${name} and refuses: may it pull this repository? A policy may also block the image or this address.`;
}

function isUnknownAuthority(code: string): boolean {
  return /SELF_SIGNED_CERT|UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE)/.test(code);
}

function onAuthority(caFiles: readonly string[]): string {
  const files = caFiles.length === 0 ? '' : ` (${caFiles.join(', ')} did not do)`;
  return `Put the certificate of its authority as PEM into a file and name that in registries[].tls.ca${files}. Where a proxy opens TLS, that is its authority.`;
}
