import { isIPv4 } from 'node:net';
import { RegistryError } from '../oci/error.ts';
import type { RequestTarget } from './exchange/request-target.ts';

type Server = NonNullable<RequestTarget['server']>;

/** By which names this server may be asked in the absolute form. */
export interface OwnNames {
  /** The connection that the request came on. */
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly publicUrl: URL | undefined;
}

interface Authority {
  /** In the one form that `URL` gives it; an IPv4 address that is mapped into IPv6 as what it is. */
  readonly host: string;
  /** Undefined: none was written, or that of the scheme. */
  readonly port: number | undefined;
  readonly effectivePort: number;
}

const defaultPorts = { http: 80, https: 443 } as const;

/**
 * The absolute form is for this server if its authority is `localhost`, the address and port of the socket, or publicUrl's: whoever
 * takes another for us would be answered with what is not theirs. Throws 421, and NAME_INVALID for what is no authority: RFC 9110
 * section 4.2 has none without a host, and takes user information for an attack.
 */
export function refuseMisdirected(server: Server, names: OwnNames): void {
  const authority = parseAuthority(server);
  if (authority === undefined) {
    throw new RegistryError('NAME_INVALID', 'the request line names no server that could be meant');
  }
  if (isLocal(authority, names) || isPublic(authority, names.publicUrl)) return;
  throw new RegistryError(
    'UNSUPPORTED',
    `${JSON.stringify(server.authority.slice(0, 80))} is not this server: publicUrl in its configuration says by which name it is reached`,
    { status: 421 },
  );
}

function isLocal({ host, port, effectivePort }: Authority, { localAddress, localPort }: OwnNames): boolean {
  const isThisPort = effectivePort === localPort;
  if (host === 'localhost') return isThisPort || port === undefined;
  return isThisPort && localAddress !== undefined && host === addressHost(localAddress);
}

/** A proxy that ends TLS may write its own scheme: a port that is nobody's but the scheme's is as good as none. */
function isPublic({ host, port, effectivePort }: Authority, publicUrl: URL | undefined): boolean {
  if (publicUrl === undefined) return false;
  const own = parseAuthority({
    scheme: publicUrl.protocol === 'https:' ? 'https' : 'http',
    authority: publicUrl.host,
  });
  return own?.host === host && (own.port === port || own.effectivePort === effectivePort);
}

function parseAuthority({ scheme, authority }: Server): Authority | undefined {
  const [, name, digits = ''] = /^(\[[^\]\s]*\]|[^\s:[\]@\\]+)(?::(\d{0,5}))?$/.exec(authority) ?? [];
  const host = name === undefined ? undefined : canonicalName(name);
  if (host === undefined) return undefined;
  const port = digits === '' || Number(digits) === defaultPorts[scheme] ? undefined : Number(digits);
  return { host, port, effectivePort: port ?? defaultPorts[scheme] };
}

function canonicalName(name: string): string | undefined {
  const url = `http://${name}/`;
  return URL.canParse(url) ? unmapped(new URL(url).hostname) : undefined;
}

/** `[::ffff:7f00:1]` is 127.0.0.1 (RFC 4291 section 2.5.5.2). */
function unmapped(host: string): string {
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(host) ?? [];
  if (high === undefined || low === undefined) return host;
  const bytes = [high, low].flatMap((part) => [
    Number.parseInt(part, 16) >> 8,
    Number.parseInt(part, 16) & 255,
  ]);
  return bytes.join('.');
}

/** A socket's address as an authority has it, without a zone (`fe80::1%eth0`). */
function addressHost(address: string): string | undefined {
  return canonicalName(isIPv4(address) ? address : `[${address.replace(/%.*$/, '')}]`);
}
