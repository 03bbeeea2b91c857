import type { Socket, TcpNetConnectOpts } from 'node:net';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import type { buildConnector as Connector } from 'undici';
import { RegistryError } from '../../oci/error.ts';
import { connectError } from '../connection-error.ts';
import { buildConnector } from '../undici-core.ts';
import type { OnWireEvent, TlsFacts } from '../wire-event.ts';
import { knownAddress, withoutBrackets } from './address.ts';
import type { AddressRule } from './address-rule.ts';
import type { HttpProxy } from './http-proxy.ts';
import { lookupFunction } from './lookup-function.ts';
import type { NameLookups } from './name-lookups.ts';
import type { ProxyChoice } from './proxy-choice.ts';
import { connected, connectThroughProxy } from './proxy-tunnel.ts';
import type { SocketPlaces } from './socket-limit.ts';
import type { TlsSettings, TlsTrust } from './tls-trust.ts';

export interface ConnectorSettings {
  readonly guard: AddressRule;
  /** The registry's own host name, to which the client certificate and `insecureSkipVerify` belong. */
  readonly hostname: string;
  readonly tls: TlsSettings;
  readonly trust: TlsTrust;
  readonly connectTimeoutMs: number;
  readonly proxies: Pick<ProxyChoice, 'of'>;
  readonly names: NameLookups;
  /** Default: as many as the system allows. */
  readonly sockets?: SocketPlaces | undefined;
  readonly observe?: OnWireEvent | undefined;
}

/** What a connection needs besides its address. */
type ConnectOptions = Pick<TcpNetConnectOpts, 'onread' | 'signal'>;

/**
 * Connects only to addresses that the guard has seen, so that a name cannot change its mind between the check and the connection;
 * IPv6 and IPv4 side by side (RFC 8305). Or to the proxy that is for the origin, which is the operator's choice and resolves by
 * itself; `onread` is for direct connections alone. The signal counts as long as the connection lives.
 */
export async function connectGuarded(
  settings: ConnectorSettings,
  url: URL,
  more: ConnectOptions,
): Promise<Socket> {
  const { host, protocol, port } = url;
  const options = { hostname: withoutBrackets(url.hostname), host, protocol, port };
  const proxy = settings.proxies.of(url);
  using held = new DisposableStack();
  takePlace(settings, url, held);
  const socket =
    proxy === undefined
      ? await connect(settings, options, more)
      : await connectBy(proxy, settings, options, more.signal);
  const place = held.move();
  if (socket.closed) place.dispose();
  else socket.once('close', () => place.dispose());
  return socket;
}

function takePlace({ sockets }: ConnectorSettings, url: URL, held: DisposableStack): void {
  try {
    held.use(sockets?.take());
  } catch (cause) {
    throw connectError(url, cause);
  }
}

async function connectBy(
  proxy: HttpProxy,
  settings: ConnectorSettings,
  options: Connector.Options,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  const url = new URL(`${options.protocol}//${options.host ?? options.hostname}`);
  const { trust, tls, names, connectTimeoutMs: timeoutMs } = settings;
  const begun = performance.now();
  const proxyTls = async () => ({ secureContext: await trust.context({ caFiles: tls.caFiles }) });
  const through = { proxy, proxyTls, names, tls: await tlsOptions(settings, url), timeoutMs, signal };
  const socket = await connectThroughProxy(options, through).catch((cause: unknown) => {
    throw connectError(url, cause, proxy.host);
  });
  report(settings, url, socket, knownAddress(url.hostname), begun);
  return socket;
}

async function connect(
  settings: ConnectorSettings,
  options: Connector.Options,
  more: ConnectOptions,
): Promise<Socket> {
  const begun = performance.now();
  const url = new URL(`${options.protocol}//${options.host ?? options.hostname}`);
  const { connectTimeoutMs: timeoutMs } = settings;
  const connector = buildConnector({
    allowH2: false,
    timeout: timeoutMs,
    autoSelectFamily: true,
    lookup: lookupFunction(guarded(settings, url)),
    ...(await tlsOptions(settings, url)),
    ...more,
  });
  const socket = await connected(connector, options).catch((cause: unknown) => {
    if (!(cause instanceof RegistryError)) settings.names.doubt(options.hostname);
    throw connectError(url, cause);
  });
  report(settings, url, socket, socket.remoteAddress, begun);
  return socket;
}

/** `address` is the origin's, where it is known: through a proxy it is only if the URL says it. */
function report(
  { guard, observe }: ConnectorSettings,
  url: URL,
  socket: Socket,
  address: string | undefined,
  begun: number,
): void {
  if (address !== undefined) guard.connected(url, address);
  const ms = performance.now() - begun;
  observe?.({ kind: 'connection', origin: url.origin, address, tls: tlsFacts(socket), ms });
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

/** Those of a name's addresses that may be connected to, also where they are remembered: the name may stand in another URL now. */
function guarded({ names, guard, observe }: ConnectorSettings, url: URL): Pick<NameLookups, 'lookUp'> {
  const lookUp: NameLookups['lookUp'] = async (hostname) => {
    const begun = performance.now();
    const found = await names.lookUp(hostname);
    const addresses = found.map(({ address }) => address);
    observe?.({ kind: 'lookup', origin: url.origin, addresses, ms: performance.now() - begun });
    const allowed = guard.allowed(url, addresses);
    return found.filter(({ address }) => allowed.includes(address));
  };
  return { lookUp };
}
