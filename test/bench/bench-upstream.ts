import { join } from 'node:path';
import { Program } from '../e2e/support/program.ts';
import type { Address } from './connection.ts';
import { type LargeBlob, largeBlob, layersImage, mebibyte, type SmallImage, sha256 } from './content.ts';
import type { Tls } from './tls.ts';

/** The benchmark’s upstream as its driver sees it. */
export class Upstream implements Address, AsyncDisposable {
  /** Both `127.0.0.1:port`. */
  readonly host: string;
  readonly limitedHost: string;
  /** Undefined: plain HTTP. */
  readonly tls: Tls | undefined;
  readonly #controlHost: string;
  readonly #program: Program;
  #seed = 1_000_000;

  private constructor(
    [host = '', limitedHost = '', controlHost = '']: readonly string[],
    program: Program,
    tls?: Tls,
  ) {
    this.host = host;
    this.limitedHost = limitedHost;
    this.tls = tls;
    this.#controlHost = controlHost;
    this.#program = program;
  }

  static async start(tls?: Tls): Promise<Upstream> {
    const files = tls === undefined ? [] : [tls.certFile, tls.keyFile];
    const program = new Program(process.execPath, [join(import.meta.dirname, 'upstream.ts'), ...files]);
    try {
      const [, hosts = ''] = await program.line(/^upstream (.+)$/);
      return new Upstream(hosts.split(' '), program, tls);
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
  }

  get ca(): string | undefined {
    return this.tls?.ca;
  }

  /** A blob that nobody has seen yet; `blockBytes`: what it takes in memory. */
  async newBlob(size: number, blockBytes = mebibyte): Promise<LargeBlob> {
    this.#seed += 1;
    const blob = largeBlob(this.#seed, size, blockBytes);
    await this.#agree(`large?seed=${this.#seed}&size=${size}&block=${blockBytes}`, blob.digest);
    return blob;
  }

  /** An image of blobs that it has. */
  async newImage(tag: string, layers: readonly LargeBlob[]): Promise<Pick<SmallImage, 'tag' | 'manifest'>> {
    const parts = layers.map(({ digest, size }) => ({ digest, size }));
    const image = layersImage(tag, parts);
    const query = new URLSearchParams({ tag });
    for (const { digest } of parts) query.append('layer', digest);
    await this.#agree(`image?${query}`, sha256(image.manifest));
    return image;
  }

  /** `GET blobs`, `HEAD manifests`, `GET large` (a large blob) and so on since the last call, and `large bytes`. */
  async takeCounts(): Promise<Readonly<Record<string, number>>> {
    return (await this.#tell('counts')) as Record<string, number>;
  }

  async #agree(what: string, expected: string): Promise<void> {
    const { digest } = (await this.#tell(what)) as { digest: string };
    if (digest !== expected) throw new Error(`driver and upstream do not agree on ${what}`);
  }

  async #tell(what: string): Promise<unknown> {
    const answer = await fetch(`http://${this.#controlHost}/${what}`, { method: 'POST' });
    return await answer.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}
