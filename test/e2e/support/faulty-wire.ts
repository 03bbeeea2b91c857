import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A wire to a server, by TCP, which carries requests as they come, and answers as far as its kind of fault lets it. */
export abstract class FaultyWire implements AsyncDisposable {
  readonly #target: URL;
  readonly #server = createServer((client) => this.#carry(client));
  readonly #sockets = new Set<Socket>();

  protected constructor(target: URL) {
    this.#target = target;
  }

  /** Of one connection. */
  protected abstract carryAnswers(server: Socket, client: Socket): void;

  protected async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  /** `127.0.0.1:port` */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
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
    this.carryAnswers(server, client);
  }

  /** Both ends go together, without a word, and what was carried arrives: what breaks here is broken on purpose. */
  #join(client: Socket, server: Socket): void {
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroySoon();
      });
    }
  }
}
