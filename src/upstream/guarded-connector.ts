import type { LookupAddress } from 'node:dns';
import { lookup as resolveName } from 'node:dns/promises';
import type { LookupFunction, Socket, TcpNetConnectOpts } from 'node:net';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import type { AddressGuard } from './address-guard.ts';
import type { TlsSettings, TlsTrust } from './tls-trust.ts';
import type { OnWireEvent, TlsFacts } from './wire-event.ts';

/** A name's addresses, as `getaddrinfo` orders them. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

export interface ConnectorSettings {
  readonly guard: AddressGuard;
  /** The registry's own host name, to which the client certificate and `insecureSkipVerify` belong. */
  readonly hostname: string;
  readonly tls: TlsSettings;
  readonly trust: TlsTrust;
  readonly connectTimeoutMs: number;
  readonly resolve?: Resolve | undefined;
  readonly observe?: OnWireEvent | undefined;
}

const systemResolve: Resolve = (hostname) => resolveName(hostname, { all: true });

/**
 * Connects for undici: only to addresses that the guard has seen, so that a name cannot change its mind between
 * the check and the connection; IPv6 and IPv4 side by side (RFC 8305).
 */
export function guardedConnector(settings: ConnectorSettings): buildConnector.connector {
  return (options, callback) => {
    void connect(settings, options).then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
    );
  };
}

/** What a connection needs besides its address. */
type ConnectOptions = Pick<TcpNetConnectOpts, 'onread' | 'signal'>;

/** A connection by the same rules for another client than undici; the signal counts as long as it lives. */
export async function connectGuarded(
  settings: ConnectorSettings,
  url: URL,
  more: ConnectOptions,
): Promise<Socket> {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return await connect(settings, { hostname, host: url.host, protocol: url.protocol, port: url.port }, more);
}

async function connect(
  settings: ConnectorSettings,
  options: buildConnector.Options,
  more: ConnectOptions = {},
): Promise<Socket> {
  const begun = performance.now();
  const url = new URL(`${options.protocol}//${options.host ?? options.hostname}`);
  const connector = buildConnector({
    allowH2: false,
    timeout: settings.connectTimeoutMs,
    autoSelectFamily: true,
    lookup: guardedLookup(settings, url),
    ...(await tlsOptions(settings, url)),
    ...more,
  });
  const socket = await new Promise<Socket>((resolve, reject) => {
    // With an error there is no second argument, whatever the type says.
    connector(options, (error, connected) => (error === null ? resolve(connected) : reject(error)));
  });
  const address = socket.remoteAddress;
  if (address !== undefined) {
    settings.guard.connected(url, address);
    const ms = performance.now() - begun;
    settings.observe?.({ kind: 'connection', origin: url.origin, address, tls: tlsFacts(socket), ms });
  }
  return socket;
}

function tlsFacts(socket: unknown): TlsFacts | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  return {
    protocol: socket.getProtocol() ?? '',
    ...certificateFacts(socket.getPeerCertificate()),
    isTrusted: socket.authorized,
  };
}

async function tlsOptions({ hostname, tls, trust }: ConnectorSettings, url: URL): Promise<object> {
  if (url.protocol !== 'https:') return {};
  if (url.hostname !== hostname) return { secureContext: await trust.context({ caFiles: tls.caFiles }) };
  return {
    secureContext: await trust.context(tls),
    rejectUnauthorized: tls.insecureSkipVerify !== true,
  };
}

/** Without a certificate, as with a resumed session, there is an empty object, whatever the type says. */
function certificateFacts({ issuer, valid_to: validTo = '' }: Partial<PeerCertificate>) {
  return { issuer: [issuer?.CN ?? issuer?.O ?? ''].flat().join(', '), validTo };
}

function guardedLookup(settings: ConnectorSettings, url: URL): LookupFunction {
  const resolve = settings.resolve ?? systemResolve;
  return (hostname, options, callback) => {
    const begun = performance.now();
    const allowed = resolve(hostname).then((found) => {
      const addresses = found.map(({ address }) => address);
      const ms = performance.now() - begun;
      settings.observe?.({ kind: 'lookup', origin: url.origin, addresses, ms });
      const allowedAddresses = settings.guard.allowed(url, addresses);
      return found.filter(({ address }) => allowedAddresses.includes(address));
    });
    allowed.then(
      (addresses) => {
        if (options.all === true) callback(null, [...addresses]);
        else callback(null, addresses[0]?.address ?? '', addresses[0]?.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), []),
    );
  };
}
