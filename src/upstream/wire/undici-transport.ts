import { Agent, type Dispatcher } from 'undici';
import type { AddressGuard } from '../connection/address-guard.ts';
import { connectionError } from '../connection/connection-error.ts';
import { drainedBytes, idleMs, maxHeadBytes } from '../connection/connection-limits.ts';
import { type ConnectorSettings, guardedConnector } from '../connection/guarded-connector.ts';
import type { HttpProxy } from '../proxy/http-proxy.ts';
import type { ProxyChoice } from '../proxy/proxy-choice.ts';
import { proxyRefusal } from '../proxy/proxy-error.ts';
import type { Transport, TransportRequest, TransportResponse } from '../transport/transport.ts';

export interface UndiciSettings extends ConnectorSettings {
  readonly guard: AddressGuard;
  readonly userAgent: string;
  /** Until status line and headers. */
  readonly headersTimeoutMs: number;
  /** A body that gives no byte for so long breaks off. */
  readonly stallTimeoutMs: number;
  /** Connections to one origin; more requests wait. */
  readonly maxConcurrent: number;
}

/** The wire: HTTP/1.1 by undici, which neither follows redirects nor decodes bodies here. */
export class UndiciTransport implements Transport, AsyncDisposable {
  readonly #agent: Agent;
  readonly #guard: AddressGuard;
  readonly #proxies: ProxyChoice;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(settings: UndiciSettings) {
    this.#guard = settings.guard;
    this.#proxies = settings.proxies;
    this.#headers = { 'user-agent': settings.userAgent, 'accept-encoding': 'identity' };
    this.#agent = agentOf(settings);
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const { method, url, signal } = request;
    signal?.throwIfAborted();
    this.#guard.checkUrl(url);
    const proxy = this.#proxies.of(url);
    try {
      const answer = await this.#agent.request({
        origin: url.origin,
        ...addressed(request, proxy, { ...request.headers, ...this.#headers }),
        method,
        body: request.body ?? null,
        // Undici gives up the connection after each HEAD otherwise, and a HEAD is what we send most.
        reset: false,
        signal: signal ?? null,
      });
      const response = responseOf(answer, request);
      if (proxy === undefined || url.protocol === 'https:' || response.status !== 407) return response;
      await response[Symbol.asyncDispose]();
      throw proxyRefusal(url, 407, proxy.host);
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionError(url, error, proxy?.host);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }
}

function agentOf(settings: UndiciSettings): Agent {
  return new Agent({
    allowH2: false,
    connect: guardedConnector(settings),
    connections: settings.maxConcurrent,
    headersTimeout: settings.headersTimeoutMs,
    bodyTimeout: settings.stallTimeoutMs,
    keepAliveTimeout: idleMs,
    maxHeaderSize: maxHeadBytes,
  });
}

/** A proxy is told the whole URL, and who we are, where there is no tunnel to send the request through. */
function addressed(
  { url, target = `${url.pathname}${url.search}` }: TransportRequest,
  proxy: HttpProxy | undefined,
  headers: Readonly<Record<string, string>>,
): { path: string; headers: Record<string, string> } {
  if (proxy === undefined || url.protocol === 'https:') return { path: target, headers: { ...headers } };
  return { path: `${url.origin}${target}`, headers: { ...headers, ...proxy.headers } };
}

function responseOf(answer: Dispatcher.ResponseData, { url }: TransportRequest): TransportResponse {
  const headers = joined(answer.headers);
  const { body } = answer;
  // Destroying an unread body makes it emit an error that nobody waits for.
  body.on('error', () => undefined);
  return {
    status: answer.statusCode,
    headers,
    url,
    body,
    async [Symbol.asyncDispose]() {
      if (body.readableEnded || body.destroyed) return;
      if (body.readableDidRead || !(Number(headers['content-length']) <= drainedBytes)) body.destroy();
      // Not awaited: a server that sends the rest slowly must not hold up whoever is done with it.
      else body.dump({ limit: drainedBytes }).catch(() => undefined);
    },
  };
}

function joined(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const result: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return result;
}
