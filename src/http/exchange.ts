import type { Request, Response } from 'express';
import type { RequestKind } from '../observe/observer.ts';
import type { Outcome } from '../oci/outcome.ts';
import type { RegistryHost } from '../oci/reference.ts';
import type { CallOptions } from '../oci/registry.ts';
import { parseRequestTarget, type RequestTarget } from './request-target.ts';

/** Nobody's fault: whoever asked does not wait for the answer any more. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';

  constructor(options?: ErrorOptions) {
    super('the client has left', options);
  }
}

/** One request and what the access log wants to know of it in the end. */
export class Exchange {
  readonly request: Request;
  readonly response: Response;
  readonly target: RequestTarget;
  readonly query: URLSearchParams;
  readonly startedAt = performance.now();
  /** When the first byte of the body was sent. */
  firstByteAt: number | undefined;
  /** What it is about, by its path. */
  kind: RequestKind = 'other';
  /** The registry that it is about. */
  host: RegistryHost | undefined;
  outcome: Outcome | undefined;
  /** Bytes of the body that was sent. */
  bytes = 0;
  /** Did we end the answer in its middle? */
  brokeOff = false;
  /** Why the list that was sent is not the whole, in words. */
  incomplete: string | undefined;
  /** What went wrong, in words. */
  failure: string | undefined;
  readonly #gone = new AbortController();

  constructor(request: Request, response: Response) {
    this.request = request;
    this.response = response;
    this.target = parseRequestTarget(request.originalUrl);
    this.query = new URLSearchParams(this.target.query);
    response.once('close', () => {
      // Nobody is gone who has it all, and an error costs as much as some queries.
      if (!response.writableFinished) this.#gone.abort(new ClientGoneError());
    });
  }

  /** Escapes as they were sent, without slashes that say nothing. */
  get path(): string {
    return this.target.path;
  }

  get isHead(): boolean {
    return this.request.method === 'HEAD';
  }

  /** Aborted with a ClientGoneError when the client leaves before it has the whole answer. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  readonly report = (outcome: Outcome): void => {
    this.outcome = outcome;
  };

  get callOptions(): CallOptions {
    return { signal: this.gone, report: this.report };
  }

  /** Answers with a small body, or with its headers alone to a HEAD. */
  send(status: number, contentType: string, body: Uint8Array | string): void {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    this.response.statusCode = status;
    this.response.setHeader('Content-Type', contentType);
    this.response.setHeader('Content-Length', bytes.length);
    if (this.isHead) {
      this.response.end();
      return;
    }
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
