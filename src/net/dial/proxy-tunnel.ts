import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { buildConnector as Connector } from 'undici';
import { http } from '../../base/node-http.ts';
import { buildConnector } from '../undici-core.ts';
import { withoutBrackets } from './address.ts';
import type { HttpProxy } from './http-proxy.ts';
import { lookupFunction } from './lookup-function.ts';
import type { NameLookups } from './name-lookups.ts';
import { proxyConnectionError, proxyRefusal } from './proxy-error.ts';

export interface ProxyConnectionSettings {
  readonly proxy: HttpProxy;
  /** What TLS to the proxy itself needs; for http proxies it is not asked. */
  readonly proxyTls: () => Promise<object>;
  /** Where the proxy is. Where it leads to is its own matter. */
  readonly names: NameLookups;
  /** What TLS to the origin needs. */
  readonly tls: object;
  /** For all of it. Milliseconds. */
  readonly timeoutMs: number;
  /** Closes the connection, as long as that lives. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A connection by which requests for the origin can be sent: for https a tunnel (RFC 9110 section 9.3.6) with TLS inside, for
 * http the proxy itself, which takes the whole URL (RFC 9112 section 3.2.2). Throws UNAVAILABLE when it is the proxy that fails,
 * or what the TLS inside fails by.
 */
export async function connectThroughProxy(
  options: Connector.Options,
  { proxy, proxyTls, names, tls, timeoutMs, signal }: ProxyConnectionSettings,
): Promise<Socket> {
  const giveUpAt = performance.now() + timeoutMs;
  const left = (): number => Math.max(1, Math.ceil(giveUpAt - performance.now()));
  const target = new URL(`${options.protocol}//${options.host ?? options.hostname}`);
  const more = { timeout: left(), ...(await tlsOf(proxy, proxyTls)), ...(signal && { signal }) };
  const socket = await connectTo(proxy, names, target, more);
  if (target.protocol === 'http:') return socket;
  try {
    await openTunnel(socket, proxy, target, left());
    return await connected(buildConnector({ allowH2: false, timeout: left(), ...tls }), {
      ...options,
      httpSocket: socket,
    });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** A connector of undici as a promise. */
export async function connected(connector: Connector.connector, options: Connector.Options): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    // With an error there is no second argument, whatever the type says.
    connector(options, (error, socket) => (error === null ? resolve(socket) : reject(error)));
  });
}

async function tlsOf({ origin }: HttpProxy, proxyTls: () => Promise<object>): Promise<object> {
  return origin.protocol === 'https:' ? await proxyTls() : {};
}

async function connectTo(
  { origin, host }: HttpProxy,
  names: NameLookups,
  target: URL,
  settings: Connector.BuildOptions,
): Promise<Socket> {
  const { port, protocol } = origin;
  const hostname = withoutBrackets(origin.hostname);
  const lookup = lookupFunction(names);
  const connector = buildConnector({ allowH2: false, autoSelectFamily: true, lookup, ...settings });
  try {
    return await connected(connector, { hostname, host: origin.host, protocol, port });
  } catch (error) {
    names.doubt(hostname);
    throw proxyConnectionError(target, error, host);
  }
}

async function openTunnel(socket: Socket, proxy: HttpProxy, target: URL, timeoutMs: number): Promise<void> {
  const authority = target.port === '' ? `${target.host}:443` : target.host;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(timedOut()), timeoutMs);
  const asked = http.request({
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, connection: 'keep-alive', ...proxy.headers },
    createConnection: () => socket,
    signal: late.signal,
  });
  asked.end();
  const [answer, , head] = await answerTo(asked)
    .catch((error: unknown) => {
      throw proxyConnectionError(target, late.signal.aborted ? late.signal.reason : error, proxy.host);
    })
    .finally(() => clearTimeout(timer));
  const { statusCode = 0 } = answer;
  if (statusCode < 200 || statusCode > 299) throw proxyRefusal(target, statusCode, proxy.host);
  // In TLS it is the client that speaks first.
  if (head.length > 0) throw proxyConnectionError(target, undefined, proxy.host);
}

async function answerTo(asked: ClientRequest): Promise<[IncomingMessage, Socket, Buffer]> {
  return (await once(asked, 'connect')) as [IncomingMessage, Socket, Buffer];
}

function timedOut(): Error {
  return Object.assign(new Error('the proxy did not answer'), { code: 'ETIMEDOUT' });
}
