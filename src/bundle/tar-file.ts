import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { exactly } from './bundle-sink.ts';
import { tarEnd, tarHeader, tarPadding } from './tar-format.ts';

/** One tar that is being written to a file. */
export class TarFile implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;
  #hash = createHash('sha256');
  #size = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<TarFile> {
    return new TarFile(path, await open(path, 'wx', 0o644));
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** Throws what the body throws; then it is as it was before. */
  async add(
    path: string,
    size: number,
    body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    const before = { size: this.#size, hash: this.#hash.copy() };
    try {
      await this.#write(tarHeader(path, size));
      for await (const chunk of exactly(path, size, body)) await this.#write(chunk);
      await this.#write(tarPadding(size));
    } catch (error) {
      await this.#file.truncate(before.size);
      this.#size = before.size;
      this.#hash = before.hash;
      throw error;
    }
  }

  /** Its sha256, when all of it is on the disk. */
  async end(): Promise<string> {
    await this.#write(tarEnd);
    await this.#file.sync();
    return this.#hash.digest('hex');
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#size);
      at += bytesWritten;
      this.#size += bytesWritten;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
