import type { Clock } from '../../base/clock.ts';
import { connectionError } from '../connection-error.ts';
import { drainedBytes, restMs, silenceMs } from '../connection-limits.ts';
import type { AddressRule } from '../dial/address-rule.ts';
import type { ConnectorSettings } from '../dial/guarded-connector.ts';
import type { HttpProxy } from '../dial/http-proxy.ts';
import { proxyRefusal } from '../dial/proxy-error.ts';
import type { Transport, TransportRequest, TransportResponse } from '../transport.ts';
import { errors } from '../undici-core.ts';
import { ConnectionPool, type Lease } from './connection-pool.ts';
import { Patience } from './patience.ts';
import type { ReceiveBuffers } from './receive-buffer.ts';
import { requestText } from './request-text.ts';
import type { ResponseHead } from './response-head.ts';
import type { ResponseReader } from './response-reader.ts';

/** Times in milliseconds. */
export interface WireSettings extends ConnectorSettings {
  readonly clock: Clock;
  readonly guard: AddressRule;
  readonly userAgent: string;
  /** Until status line and headers. */
  readonly headersTimeoutMs: number;
  /** A body that gives no byte for so long breaks off. */
  readonly stallTimeoutMs: number;
  /** Connections to one origin; more requests wait. */
  readonly maxConcurrent: number;
  /** Until the first byte on a connection that was used before; then a fresh one is tried. Default: 5 s, more for a slow upstream. */
  readonly silenceMs?: number | undefined;
  /** What a try may take, after which its signal ends it. Default: as long as it likes. */
  readonly tryMs?: number | undefined;
  /** How long a connection is not used behind an answer that does not show its end. Default: 1 s. */
  readonly restMs?: number | undefined;
}

/** What the transports of one registry may share, and what one of them has for itself. */
interface Shared {
  readonly patience?: Patience;
  /** What bodies are received into. */
  readonly buffers?: ReceiveBuffers | undefined;
}

/** The wire: HTTP/1.1 over sockets, by a parser of our own (decisions 7 and 13). It neither follows redirects nor decodes bodies. */
export class HttpTransport implements Transport, AsyncDisposable {
  readonly #pool: ConnectionPool;
  readonly #settings: WireSettings;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #patience: Patience;
  readonly #giveBack: ((chunk: Uint8Array) => void) | undefined;

  constructor(settings: WireSettings, { patience = patienceOf(settings), buffers }: Shared = {}) {
    this.#settings = settings;
    this.#patience = patience;
    this.#giveBack = buffers && ((chunk) => buffers.giveBack(chunk));
    this.#headers = { 'user-agent': settings.userAgent, 'accept-encoding': 'identity' };
    this.#pool = new ConnectionPool({ ...settings, restMs: settings.restMs ?? restMs, patience, buffers });
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const { url, signal } = request;
    signal?.throwIfAborted();
    this.#settings.guard.checkUrl(url);
    const proxy = this.#settings.proxies.of(url);
    // There is a tunnel through the proxy, or the proxy itself is asked.
    const asked = url.protocol === 'https:' ? undefined : proxy;
    try {
      const response = await this.#answered(this.#textOf(request, asked), request);
      if (asked === undefined || response.status !== 407) return response;
      await response[Symbol.asyncDispose]();
      throw proxyRefusal(url, 407, asked.host);
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionError(url, error, proxy?.host);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pool[Symbol.dispose]();
  }

  /** A proxy that is asked itself is told the whole URL, and who we are. */
  #textOf(request: TransportRequest, proxy: HttpProxy | undefined): string {
    const headers = { ...request.headers, ...this.#headers };
    if (proxy === undefined) return requestText(request, { headers });
    return requestText(request, {
      prefix: request.url.origin,
      headers: { ...headers, ...proxy.headers },
    });
  }

  /** What must not be asked twice (RFC 9110 section 9.2.2) goes by a fresh connection at once. */
  async #answered(text: string, request: TransportRequest): Promise<TransportResponse> {
    const kept = request.method === 'POST' ? undefined : await this.#try(text, request, false);
    return kept ?? (await this.#try(text, request, true)) ?? never();
  }

  /** Undefined: a connection that was kept had been closed by the peer, or forgotten, so nothing has come of it. */
  async #try(
    text: string,
    request: TransportRequest,
    fresh: boolean,
  ): Promise<TransportResponse | undefined> {
    const { url, signal } = request;
    const lease = await this.#pool.lease(url, signal, fresh);
    const sentAt = this.#settings.clock.monotonic();
    const reader = this.#exchange(text, request, lease);
    try {
      const head = await reader.head;
      this.#patience.answered(url.origin, this.#settings.clock.monotonic() - sentAt);
      return this.#response(head, reader, lease, url);
    } catch (error) {
      if (!lease.isReused || reader.hasBegun) throw error;
      if (isSilence(error)) this.#patience.wasSilentSince(sentAt);
      if (signal?.aborted !== true) return undefined;
      this.#patience.gaveUp(sentAt);
      throw error;
    }
  }

  #exchange(text: string, { url, method, signal }: TransportRequest, lease: Lease): ResponseReader {
    const { headersTimeoutMs, stallTimeoutMs } = this.#settings;
    const most = lease.isReused ? this.#patience.with(url.origin) : headersTimeoutMs;
    return lease.connection.exchange(text, {
      method,
      silenceMs: Math.min(most, headersTimeoutMs),
      headersTimeoutMs,
      stallTimeoutMs,
      signal,
      done: () => lease[Symbol.dispose](),
    });
  }

  #response(
    { status, headers }: ResponseHead,
    reader: ResponseReader,
    { connection }: Lease,
    url: URL,
  ): TransportResponse {
    return {
      status,
      headers,
      url,
      body: reader.body,
      giveBack: this.#giveBack,
      async [Symbol.asyncDispose]() {
        connection.leave(reader, !reader.body.isRead && Number(headers['content-length']) <= drainedBytes);
      },
    };
  }
}

/** Of a try: that leaves time for a fresh connection. */
const patientShare = 0.7;

/** To be shared by the transports of one registry. */
export function patienceOf({
  clock,
  silenceMs: leastMs = silenceMs,
  tryMs = Infinity,
}: WireSettings): Patience {
  return new Patience({ clock, leastMs, mostMs: patientShare * tryMs });
}

function isSilence(error: unknown): boolean {
  return error instanceof errors.HeadersTimeoutError;
}

function never(): never {
  throw new Error('a fresh connection is not tried twice');
}
