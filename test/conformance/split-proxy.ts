import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';

/**
 * Makes one registry of two, for tests that push what they then pull: what reads goes to the server under test, all else
 * to the registry that it caches. `Host` stays as it is, so that upload locations lead back here.
 */
export class SplitProxy implements AsyncDisposable {
  /** Paths of the reads that the server under test answered with 200. */
  readonly served = new Set<string>();
  readonly #server = createServer((incoming, answer) => void this.#forward(incoming, answer));
  readonly #agent = new Agent({ keepAlive: true });
  readonly #reads: string;
  readonly #writes: string;

  private constructor(reads: string, writes: string) {
    this.#reads = reads;
    this.#writes = writes;
  }

  /** Both are `host:port`. */
  static async start(reads: string, writes: string): Promise<SplitProxy> {
    const proxy = new SplitProxy(reads, writes);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** `127.0.0.1:port` */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await once(this.#server, 'close');
  }

  async #forward(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = incoming;
    const isRead = ['GET', 'HEAD'].includes(method) && !url.includes('/blobs/uploads/');
    const target = `http://${isRead ? this.#reads : this.#writes}${url}`;
    const outgoing = request(target, { method, headers, agent: this.#agent });
    try {
      const [[response]] = await Promise.all([
        once(outgoing, 'response') as Promise<[IncomingMessage]>,
        pipeline(incoming, outgoing),
      ]);
      if (isRead && response.statusCode === 200) this.served.add(url);
      answer.writeHead(response.statusCode ?? 502, response.rawHeaders);
      await pipeline(response, answer);
    } catch {
      answer.destroy();
    }
  }
}
