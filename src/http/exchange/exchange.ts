import type { Request, Response } from 'express';
import type { Clock } from '../../base/clock.ts';
import type { RequestKind } from '../../observe/observer.ts';
import type { Outcome } from '../../oci/outcome.ts';
import type { RegistryHost } from '../../oci/reference.ts';
import type { CallOptions, Standing } from '../../oci/registry.ts';
import type { EndedExchange, Pulled } from './ended-exchange.ts';
import { defaultHeadLimit, type HeadLimit, lateError } from './head-limit.ts';
import type { KnownCaller } from './known-caller.ts';
import { requestId } from './request-id.ts';
import { parseRequestTarget, type RequestTarget } from './request-target.ts';

/** Nobody's fault: whoever asked does not wait for the answer any more. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';

  constructor(options?: ErrorOptions) {
    super('the client has left', options);
  }
}

/**
 * Whoever reads slowly is still at a body of this size when Node takes its answer for ended, and its connection for idle: it is sent by `send-large.ts`.
 * Bytes.
 */
export const largeBody = 64 * 1024;

/** One request and what the access log wants to know of it in the end. */
export class Exchange implements EndedExchange {
  readonly request: Request;
  readonly response: Response;
  readonly target: RequestTarget;
  readonly query: URLSearchParams;
  /** For the log, and the client: `X-Request-Id`. */
  readonly id: string;
  readonly startedAt = performance.now();
  /** When the first byte of the body was sent. */
  firstByteAt: number | undefined;
  /** What it is about, by its path. */
  kind: RequestKind = 'other';
  /** The registry that it is about. */
  host: RegistryHost | undefined;
  outcome: Outcome | undefined;
  pulled: Pulled | undefined;
  /** Of what the registry gave for it, where that may be given again without asking it. */
  standing: Standing | undefined;
  /** The body, where it was sent at once. */
  whole: Uint8Array | undefined;
  /** Bytes of the body that was sent. */
  bytes = 0;
  /** Did we end the answer in its middle? */
  brokeOff = false;
  /** Why the list that was sent is not the whole, in words. */
  incomplete: string | undefined;
  /** What went wrong, in words. */
  failure: string | undefined;
  known: KnownCaller | undefined;
  subject: string | undefined;
  readonly #stands = (standing: Standing): void => {
    this.standing = standing;
  };
  readonly #waiting = new AbortController();
  readonly #headLimit: HeadLimit;
  #headDueAt: number | undefined;
  #hasLeft = false;
  #isOver = false;
  /** Of the memory of what it is answered with. */
  #shares: Disposable[] | undefined;

  constructor(request: Request, response: Response, headLimit: HeadLimit = defaultHeadLimit) {
    this.request = request;
    this.response = response;
    this.#headLimit = headLimit;
    this.target = parseRequestTarget(request.originalUrl);
    this.query = new URLSearchParams(this.target.query);
    this.id = requestId(request.headers['x-request-id']);
    response.once('close', () => {
      this.#isOver = true;
      this.letGo();
      // Nobody is gone who has it all, and an error costs as much as some queries.
      if (response.writableFinished) return;
      this.#hasLeft = true;
      this.#waiting.abort(new ClientGoneError());
    });
  }

  /** Escapes as they were sent, without slashes that say nothing. */
  get path(): string {
    return this.target.path;
  }

  get isHead(): boolean {
    return this.request.method === 'HEAD';
  }

  /** Did the client leave before it had the whole answer? */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** Aborted when nobody waits any more: with a ClientGoneError when the client leaves, with UNAVAILABLE when its status line is due. */
  get waiting(): AbortSignal {
    return this.#waiting.signal;
  }

  get clock(): Clock {
    return this.#headLimit.clock;
  }

  /** Until the client must have its status line. */
  get headDueMs(): number {
    const { clock, milliseconds } = this.#headLimit;
    this.#headDueAt ??= clock.monotonic() + milliseconds;
    return Math.max(0, this.#headDueAt - clock.monotonic());
  }

  readonly report = (outcome: Outcome): void => {
    this.outcome = outcome;
  };

  /** Who asks, and what of him stands in every answer. */
  readonly meet = (known: KnownCaller): void => {
    this.known = known;
    const { headers } = known;
    for (let at = 0; at < headers.length; at += 2)
      this.response.setHeader(headers[at] ?? '', headers[at + 1] ?? '');
  };

  /** Keeps a share of what it is answered with until the answer was sent, or {@link letGo}. */
  readonly holds = (share: Disposable): void => {
    if (this.#isOver) share[Symbol.dispose]();
    else {
      this.#shares ??= [];
      this.#shares.push(share);
    }
  };

  /** What the answer was made of is not wanted any more. */
  letGo(): void {
    for (const share of this.#shares?.splice(0) ?? []) share[Symbol.dispose]();
  }

  /**
   * Calls the registry for as long as the client waits for its status line: then the call's signal is aborted with UNAVAILABLE (503,
   * Retry-After). That ends the waiting and not the work, so whoever asks again finds it further on. A call behind the status line, and a
   * body, take as long as they take.
   */
  async ask<Value>(call: (options: CallOptions) => Promise<Value>): Promise<Value> {
    const { waiting: signal, report, holds, id: request } = this;
    const options = { signal, report, stands: this.#stands, holds, request };
    if (this.response.headersSent) return await call(options);
    using _limit = this.#headLimit.clock.after(this.headDueMs, () => this.#waiting.abort(this.#late()));
    return await call(options);
  }

  #late(): Error {
    return lateError(`the ${this.kind} from ${this.host ?? 'upstream'}`, this.#headLimit);
  }

  /** Answers with a body of less than {@link largeBody}, or with its headers alone to a HEAD. */
  send(status: number, contentType: string, body: Uint8Array | string): void {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    this.response.statusCode = status;
    this.response.setHeader('Content-Type', contentType);
    this.response.setHeader('Content-Length', bytes.length);
    if (this.isHead) {
      this.response.end();
      return;
    }
    this.sendAll(bytes);
  }

  /** Sends all of a body of less than {@link largeBody}, behind the headers that were set. */
  sendAll(bytes: Uint8Array): void {
    this.whole = bytes;
    this.bytes = bytes.length;
    this.firstByteAt = performance.now();
    this.response.end(bytes);
  }

  sendJson(status: number, value: unknown, contentType = 'application/json'): void {
    this.send(status, contentType, JSON.stringify(value));
  }
}

/** The exchange of a response, put there by the first middleware. */
export function exchangeOf(response: Response): Exchange {
  return response.locals['exchange'] as Exchange;
}
