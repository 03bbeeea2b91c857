import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  parseRegistryHost,
  type RegistryHost,
  type RepositoryName,
  repositoryName,
} from '#src/oci/reference.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { type Answer, answerFrom, type Fault, type LoggedRequest } from './upstream-answers.ts';

export interface FakeUpstreamOptions {
  readonly content?: MemoryRegistry;
  /** The host in front of the names in `content`. Default: `upstream.example`. */
  readonly name?: string;
  readonly tls?: ServerOptions;
  /** Default: `127.0.0.1`. */
  readonly address?: string;
}

/**
 * An upstream registry on loopback: the content of a {@link MemoryRegistry} over real HTTP, spoilt by faults. Tests
 * put content in, say what goes wrong, and look at what was asked for.
 */
export class FakeUpstream implements AsyncDisposable {
  readonly content: MemoryRegistry;
  /** What goes wrong; the first is the outermost. */
  readonly faults: Fault[] = [];
  /** All that was asked for, in turn, whatever became of it. */
  readonly requests: LoggedRequest[] = [];
  /** Connections that were ever made. */
  connections = 0;
  readonly #name: RegistryHost;
  readonly #server: Server;
  readonly #scheme: string;

  private constructor({ content = new MemoryRegistry(), name, tls }: FakeUpstreamOptions) {
    this.content = content;
    this.#name = parseRegistryHost(name ?? 'upstream.example');
    this.#scheme = tls === undefined ? 'http' : 'https';
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      void this.#serve(request, response).catch(() => response.destroy());
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    this.#server.on(tls === undefined ? 'connection' : 'secureConnection', () => {
      this.connections += 1;
    });
  }

  static async start(options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
    const upstream = new FakeUpstream(options);
    upstream.#server.listen(0, options.address ?? '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  /** As it would stand in front of a repository's name. */
  get host(): RegistryHost {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return parseRegistryHost(`${family === 'IPv6' ? `[${address}]` : address}:${port}`);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `${this.#scheme}://${this.host}`;
  }

  /** A repository by its path here. */
  repository(path: string): RepositoryName {
    return repositoryName(this.#name, path);
  }

  /** `GET /v2/a/manifests/v1?x=y`, in turn. */
  get calls(): string[] {
    return this.requests.map(({ method, path, query }) => `${method} ${path}${query}`);
  }

  /** Settles when so many requests have come. */
  async asked(count: number): Promise<void> {
    while (this.requests.length < count) await new Promise((resolve) => setImmediate(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const logged = await read(request);
    this.requests.push(logged);
    let next = async (): Promise<Answer> => await answerFrom(this.content, this.#name, logged);
    for (const fault of this.faults.toReversed()) {
      const inner = next;
      next = async () => await fault(logged, inner);
    }
    await write(await next(), response);
  }
}

async function read(request: IncomingMessage): Promise<LoggedRequest> {
  const url = request.url ?? '';
  const at = url.includes('?') ? url.indexOf('?') : url.length;
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return {
    method: request.method ?? '',
    path: url.slice(0, at),
    query: url.slice(at),
    headers: request.headers,
    body,
    host: request.headers.host ?? '',
  };
}

/** A body that throws breaks the connection off, behind what was sent so far. */
async function write({ status, headers, body = [] }: Answer, response: ServerResponse): Promise<void> {
  const closed = new Promise((resolve) => response.once('close', resolve));
  response.writeHead(status, headers);
  response.flushHeaders();
  if (response.req.method === 'HEAD') {
    response.end();
    return;
  }
  try {
    for await (const chunk of body) {
      if (response.destroyed) return;
      if (response.write(chunk)) continue;
      await Promise.race([closed, new Promise((resolve) => response.once('drain', resolve))]);
    }
    response.end();
  } catch {
    // Node.js 26 joins the chunks of one turn: what was written in this one is not yet the socket's.
    await new Promise((resolve) => setImmediate(resolve));
    response.socket?.destroySoon();
  }
}
