import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface ProxiedRequest {
  /** `CONNECT registry.example:443`, `GET http://registry.example/v2/`. */
  readonly call: string;
  readonly authorization: string | undefined;
}

/** An HTTP proxy on loopback. It resolves names by {@link routes} and writes down what it was asked. */
export class FakeProxy implements AsyncDisposable {
  readonly requests: ProxiedRequest[] = [];
  /** `host:port` by the port on loopback where it really is; what is not here is reached as it is. */
  readonly routes = new Map<string, number>();
  /** An answer in place of the target's: `407`. */
  refuses: number | undefined;
  /** Closes each tunnel after so many bytes from the target. */
  cutsAfter = Number.POSITIVE_INFINITY;
  /** Awaited before anything is answered; when it throws, the proxy hangs up. */
  wait: () => Promise<void> = async () => {};
  /** Connections to it that were ever made. */
  accepted = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #scheme: string;

  private constructor(tls: ServerOptions | undefined) {
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? createServer() : createTlsServer(tls);
    this.#server.on('request', (asked, answer) => void this.#forward(asked, answer));
    this.#server.on('connect', (asked, socket) => {
      this.#tunnel(asked, socket as Socket).catch(() => socket.destroy());
    });
    this.#server.on('connection', (socket: Socket) => {
      this.accepted += 1;
      this.#hold(socket);
    });
  }

  static async start(tls?: ServerOptions): Promise<FakeProxy> {
    const proxy = new FakeProxy(tls);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** `http://user:password@127.0.0.1:port` */
  url(userinfo = ''): string {
    return `${this.#scheme}://${userinfo}${userinfo === '' ? '' : '@'}127.0.0.1:${this.port}`;
  }

  get calls(): string[] {
    return this.requests.map(({ call }) => call);
  }

  /** Connections to it, and from it, that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Settles when nothing is open any more. */
  async idle(): Promise<void> {
    for (const socket of this.#sockets) await new Promise((resolve) => socket.once('close', resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #note({ method = '', url = '', headers }: IncomingMessage): void {
    this.requests.push({ call: `${method} ${url}`, authorization: headers['proxy-authorization'] });
  }

  #addressOf(hostname: string, port: string): { host: string; port: number } {
    const routed = this.routes.get(`${hostname}:${port}`);
    return routed === undefined
      ? { host: hostname, port: Number(port) }
      : { host: '127.0.0.1', port: routed };
  }

  async #tunnel(asked: IncomingMessage, socket: Socket): Promise<void> {
    this.#note(asked);
    await this.wait();
    if (this.refuses !== undefined) {
      // The connection is the client's to close.
      socket.write(`HTTP/1.1 ${this.refuses} No\r\ncontent-length: 2\r\n\r\nno`);
      socket.once('end', () => socket.end()).resume();
      return;
    }
    const [, hostname = '', port = ''] = /^(.*):(\d+)$/.exec(asked.url ?? '') ?? [];
    const target = connect(this.#addressOf(hostname, port));
    this.#hold(target);
    target.once('error', () => socket.end('HTTP/1.1 503 No\r\n\r\n'));
    await once(target, 'connect').catch(() => undefined);
    if (target.destroyed) return;
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    let left = this.cutsAfter;
    target.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) socket.destroy();
      else socket.write(chunk);
    });
    socket.pipe(target);
    target.once('close', () => socket.destroy());
    socket.once('close', () => target.destroy());
  }

  async #forward(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    this.#note(asked);
    await this.wait();
    if (this.refuses !== undefined) {
      answer.writeHead(this.refuses).end('no');
      return;
    }
    const url = new URL(asked.url ?? '');
    const { 'proxy-authorization': _, ...headers } = asked.headers;
    const options = { ...this.#addressOf(url.hostname, url.port || '80'), method: asked.method, headers };
    const forwarded = request({ ...options, path: `${url.pathname}${url.search}`, agent: false });
    forwarded.on('error', () => answer.destroy());
    forwarded.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    asked.pipe(forwarded);
  }
}
