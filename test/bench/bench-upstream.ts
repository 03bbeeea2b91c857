import { join } from 'node:path';
import { Program } from '../e2e/support/program.ts';
import { type LargeBlob, largeBlob } from './content.ts';

/** The benchmark’s upstream as its driver sees it. */
export class Upstream implements AsyncDisposable {
  /** Both `127.0.0.1:port`. */
  readonly host: string;
  readonly limitedHost: string;
  readonly #program: Program;
  #seed = 1_000_000;

  private constructor(host: string, limitedHost: string, program: Program) {
    this.host = host;
    this.limitedHost = limitedHost;
    this.#program = program;
  }

  static async start(): Promise<Upstream> {
    const program = new Program(process.execPath, [join(import.meta.dirname, 'upstream.ts')]);
    try {
      const [, host = '', limitedHost = ''] = await program.line(/^upstream (\S+) (\S+)$/);
      return new Upstream(host, limitedHost, program);
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A blob that nobody has seen yet. */
  async newBlob(size: number): Promise<LargeBlob> {
    this.#seed += 1;
    const blob = largeBlob(this.#seed, size);
    const answer = await fetch(`http://${this.host}/large?seed=${this.#seed}&size=${size}`, {
      method: 'POST',
    });
    const { digest } = (await answer.json()) as { digest: string };
    if (digest !== blob.digest) throw new Error('driver and upstream do not agree on a blob');
    return blob;
  }

  /** `GET blobs`, `HEAD manifests` and so on since the last call. */
  async takeCounts(): Promise<Readonly<Record<string, number>>> {
    const answer = await fetch(`http://${this.host}/counts`, { method: 'POST' });
    return (await answer.json()) as Record<string, number>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}
