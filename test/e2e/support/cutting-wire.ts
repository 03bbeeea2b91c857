import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A wire to a server on loopback that cuts each connection when it has carried so many bytes of answers. */
export class CuttingWire implements AsyncDisposable {
  /** Connections that were cut. */
  cuts = 0;
  readonly #port: number;
  readonly #limit: number;
  readonly #server = createServer((client) => this.#carry(client));
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, limit: number) {
    this.#port = port;
    this.#limit = limit;
  }

  static async open(port: number, limit: number): Promise<CuttingWire> {
    const wire = new CuttingWire(port, limit);
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    return wire;
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
    const server = connect(this.#port, '127.0.0.1');
    this.#join(client, server);
    client.pipe(server);
    let left = this.#limit;
    server.on('data', (chunk: Buffer) => {
      client.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left > 0) return;
      this.cuts += 1;
      server.destroy();
      client.destroySoon();
    });
  }

  /** Both ends go together, and what was carried arrives. */
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
