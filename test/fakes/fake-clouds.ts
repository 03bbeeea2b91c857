import type { ServerOptions } from 'node:https';
import { FakeUpstream } from './fake-upstream.ts';
import { type Answer, json, type LoggedRequest } from './upstream-answers.ts';

/** A cloud's API on loopback: each request is answered by what the test says. */
export class FakeCloud implements AsyncDisposable {
  readonly #server: FakeUpstream;
  answer: (request: LoggedRequest) => Answer = () => json({}, 500);

  private constructor(server: FakeUpstream) {
    this.#server = server;
    server.faults.push((request) => this.answer(request));
  }

  static async start(tls?: ServerOptions): Promise<FakeCloud> {
    return new FakeCloud(await FakeUpstream.start(tls && { tls }));
  }

  get origin(): string {
    return this.#server.origin;
  }

  get port(): number {
    return this.#server.port;
  }

  get host(): string {
    return this.#server.host;
  }

  /** All that was asked, in turn. */
  get requests(): readonly LoggedRequest[] {
    return this.#server.requests;
  }

  get last(): LoggedRequest {
    const request = this.requests.at(-1);
    if (request === undefined) throw new Error('nothing was asked');
    return request;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

export function form({ body }: LoggedRequest): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(body));
}
