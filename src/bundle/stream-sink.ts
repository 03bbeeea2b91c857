import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { Chunk } from './bundle-list.ts';
import { type BundleSink, exactly } from './bundle-sink.ts';
import { tarEnd, tarHeader, tarPadding } from './tar-format.ts';

/** A bundle that is a tar on a stream, as standard output. */
export class StreamSink implements BundleSink {
  readonly takesBack = false;
  readonly chunk = 1;
  readonly chunks: readonly Chunk[] = [];
  readonly #stream: Writable;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  async add(
    path: string,
    size: number,
    body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    await this.#write(tarHeader(path, size));
    // A chunk is valid until the next one is asked for.
    for await (const chunk of exactly(path, size, body)) await this.#write(Uint8Array.from(chunk));
    await this.#write(tarPadding(size));
  }

  async finish(): Promise<void> {
    await this.#write(tarEnd);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.#stream.destroyed) throw new Error('nobody reads the output any more');
    if (this.#stream.write(bytes)) return;
    const over = new AbortController();
    const { signal } = over;
    await Promise.race([once(this.#stream, 'drain', { signal }), once(this.#stream, 'close', { signal })]);
    over.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
