import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** A wire to a server that carries so many bytes of answers per connection and then is silent, until it is repaired. */
export class StallingWire implements AsyncDisposable {
  readonly #limit: number;
  readonly #target: URL;
  readonly #server = createServer((client) => this.#carry(client));
  readonly #sockets = new Set<Socket>();
  #isRepaired = false;

  private constructor(target: URL, limit: number) {
    this.#target = target;
    this.#limit = limit;
  }

  static async open(url: string, limit: number): Promise<StallingWire> {
    const wire = new StallingWire(new URL(url), limit);
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    return wire;
  }

  /** `127.0.0.1:port` */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** New connections carry everything; those that are silent stay so. */
  repair(): void {
    this.#isRepaired = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    this.#join(client, server);
    client.pipe(server);
    if (this.#isRepaired) {
      server.pipe(client);
      return;
    }
    let carried = 0;
    server.on('data', (chunk: Buffer) => {
      client.write(chunk.subarray(0, this.#limit - carried));
      carried += chunk.length;
      if (carried >= this.#limit) server.pause();
    });
  }

  /** Both ends go together, without a word: what breaks here is broken on purpose. */
  #join(client: Socket, server: Socket): void {
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
