import { Agent, type Dispatcher } from 'undici';
import type { AddressGuard } from './address-guard.ts';
import { connectionError } from './connection-error.ts';
import { type ConnectorSettings, guardedConnector } from './guarded-connector.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

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

const maxHeaderBytes = 32 * 1024;
/** An unread rest of this size is read away, to keep the connection; a longer one costs the connection. */
const drainedBytes = 16 * 1024;

/** The wire: HTTP/1.1 by undici, which neither follows redirects nor decodes bodies here. */
export class UndiciTransport implements Transport, AsyncDisposable {
  readonly #agent: Agent;
  readonly #guard: AddressGuard;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(settings: UndiciSettings) {
    this.#guard = settings.guard;
    this.#headers = { 'user-agent': settings.userAgent, 'accept-encoding': 'identity' };
    this.#agent = agentOf(settings);
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const { method, url, signal } = request;
    signal?.throwIfAborted();
    this.#guard.checkUrl(url);
    try {
      const answer = await this.#agent.request({
        origin: url.origin,
        path: request.target ?? `${url.pathname}${url.search}`,
        method,
        headers: { ...request.headers, ...this.#headers },
        body: request.body ?? null,
        // Undici gives up the connection after each HEAD otherwise, and a HEAD is what we send most.
        reset: false,
        signal: signal ?? null,
      });
      return responseOf(answer, request);
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionError(url, error);
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
    keepAliveTimeout: 15_000,
    maxHeaderSize: maxHeaderBytes,
  });
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
