import type { Socket } from 'node:net';
import { FaultyWire } from './faulty-wire.ts';

/** A wire to a server that carries so many bytes of answers per connection and then is silent, until it is repaired. */
export class StallingWire extends FaultyWire {
  readonly #limit: number;
  #isRepaired = false;

  private constructor(target: URL, limit: number) {
    super(target);
    this.#limit = limit;
  }

  static async open(url: string, limit: number): Promise<StallingWire> {
    return await new StallingWire(new URL(url), limit).listen();
  }

  /** New connections carry everything; those that are silent stay so. */
  repair(): void {
    this.#isRepaired = true;
  }

  protected override carryAnswers(server: Socket, client: Socket): void {
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
}
