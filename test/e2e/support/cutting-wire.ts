import type { Socket } from 'node:net';
import { FaultyWire } from './faulty-wire.ts';

/** A wire to a server that cuts each connection when it has carried so many bytes of answers. */
export class CuttingWire extends FaultyWire {
  /** Connections that were cut. */
  cuts = 0;
  readonly #limit: number;

  private constructor(target: URL, limit: number) {
    super(target);
    this.#limit = limit;
  }

  static async open(url: string, limit: number): Promise<CuttingWire> {
    return await new CuttingWire(new URL(url), limit).listen();
  }

  protected override carryAnswers(server: Socket, client: Socket): void {
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
}
