import type { RequestListener, Server } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Clock, systemClock } from '../base/clock.ts';
import { type Log, silent } from '../base/log.ts';
import { http } from '../base/node-http.ts';
import { Connections } from './connections.ts';
import { awaitBody } from './exchange/awaited-body.ts';
import { FailedHandshakes } from './failed-handshakes.ts';
import { Pipelining } from './pipelining.ts';
import { Refusals } from './refusals.ts';
import { Tunnels } from './tunnels.ts';

/** PEM texts. With `verify` a client must show a certificate that `ca` (else the known certificate authorities) has signed. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
  readonly clientAuth: 'none' | 'verify';
}

export interface ServerSettings {
  /** An address; `::` is both families. */
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
  readonly tls?: ServerTls | undefined;
  readonly maxConnections: number;
  /** A connection on which nothing moves for so long is cut, unless it waits for a first answer. Milliseconds. */
  readonly idleTimeoutMs: number;
  /** Default: that of the system. */
  readonly clock?: Clock;
  /** Do clients send bodies, which take as long as they take? Default: no. */
  readonly takesBodies?: boolean | undefined;
  /** Why clients get no connection. Default: nowhere. */
  readonly log?: Log;
}

/** Above every client's own idle limit (BuildKit: 120 s), so that none of them meets a connection that we have just closed. */
const keepAliveMs = 130_000;
const headersMs = 30_000;
const maxHeaderBytes = 16 * 1024;
/**
 * So many connections may wait until the loop has time for them; the system takes as many as it allows (net.core.somaxconn, 4096). With Node's 511 whoever
 * comes behind them while the loop stands for a second, as nodes do that all start at once, is not heard and comes again after one second, or three.
 */
const backlog = 4096;

/** A server that listens. */
export class RunningServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #connections: Connections;
  readonly #scheme: string;

  constructor(server: Server, connections: Connections, scheme: string) {
    this.#server = server;
    this.#connections = connections;
    this.#scheme = scheme;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `${this.#scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /** From the next connection on; those that stand stay as they are. `clientAuth` stays as it was. Throws what OpenSSL says. */
  useTls(tls: ServerTls): void {
    if (this.#server instanceof HttpsServer) this.#server.setSecureContext(contextOf(tls));
  }

  /** Takes no more connections and settles when the last one has ended; after `timeoutMs` those that are left are cut. */
  async drain(timeoutMs: number): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    // A connection is idle as soon as its answer is out; nothing tells of that moment.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), 50);
    const limit = setTimeout(() => this.#connections.cut(), timeoutMs);
    try {
      await closed;
    } finally {
      clearInterval(sweep);
      clearTimeout(limit);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.drain(0);
  }
}

/** Throws the file system's or the network's error as it is (EADDRINUSE, EACCES). */
export async function startServer(
  listener: RequestListener,
  settings: ServerSettings,
): Promise<RunningServer> {
  const { tls, host, port, clock = systemClock, log = silent } = settings;
  const pipelining = new Pipelining();
  const tunnels = new Tunnels(clock);
  const inTurn = pipelining.taking((request, response) => {
    tunnels.passOver(request, response);
    listener(request, response);
  });
  const server = tls === undefined ? plain(inTurn) : secure(inTurn, tls);
  server.on('checkContinue', (request, response) => {
    awaitBody(request);
    inTurn(request, response);
  });
  if (settings.takesBodies === true) server.requestTimeout = 0;
  const connections = new Connections(server);
  server.maxConnections = settings.maxConnections;
  server.timeout = settings.idleTimeoutMs;
  server.on('clientError', new Refusals(pipelining, clock).refuse);
  server.on('connect', tunnels.refuse);
  const handshakes = new FailedHandshakes(log, clock);
  if (tls === undefined) server.on('clientError', handshakes.plain);
  else server.on('tlsClientError', handshakes.tls);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return new RunningServer(server, connections, tls === undefined ? 'http' : 'https');
}

const limits = {
  keepAliveTimeout: keepAliveMs,
  headersTimeout: headersMs,
  requestTimeout: headersMs * 2,
  connectionsCheckingInterval: 5000,
  maxHeaderSize: maxHeaderBytes,
  noDelay: true,
} as const;

function plain(listener: RequestListener): Server {
  return http.createServer(limits, listener);
}

function secure(listener: RequestListener, tls: ServerTls): Server {
  const requestCert = tls.clientAuth === 'verify';
  return createHttpsServer(
    { ...limits, ...contextOf(tls), requestCert, rejectUnauthorized: requestCert },
    listener,
  );
}

function contextOf({ cert, key, ca }: ServerTls) {
  return { cert, key, ca, minVersion: 'TLSv1.2' } as const;
}
