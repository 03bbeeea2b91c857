import { Readable } from 'node:stream';
import type { Transport, TransportRequest, TransportResponse } from '#src/net/transport.ts';

export interface ScriptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** What it throws breaks the body off. */
  readonly body?: string | Uint8Array | AsyncIterable<Buffer>;
}

/** Decides how a request is answered; what it throws is what the transport throws. */
export type AnswerScript = (
  request: TransportRequest,
  count: number,
) => ScriptedAnswer | Promise<ScriptedAnswer>;

/** A wire without a wire: tests watch what is sent over it and what becomes of the answers. */
export class ScriptedTransport implements Transport {
  readonly requests: TransportRequest[] = [];
  /** Answers given and not yet disposed of. */
  unread = 0;
  readonly #script: AnswerScript;

  constructor(script: AnswerScript) {
    this.#script = script;
  }

  /** `GET https://host/path?query`, with the Authorization header where there was one. */
  get sent(): string[] {
    return this.requests.map(({ method, url, headers }) => {
      const authorization = headers?.['authorization'];
      return `${method} ${url.href}${authorization === undefined ? '' : ` ${authorization}`}`;
    });
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    request.signal?.throwIfAborted();
    this.requests.push(request);
    const { status, headers = {}, body = '' } = await this.#script(request, this.requests.length);
    this.unread += 1;
    let disposed = false;
    return {
      status,
      headers,
      url: request.url,
      body:
        typeof body === 'object' && Symbol.asyncIterator in body ? body : Readable.from([Buffer.from(body)]),
      [Symbol.asyncDispose]: async () => {
        if (!disposed) this.unread -= 1;
        disposed = true;
      },
    };
  }
}
