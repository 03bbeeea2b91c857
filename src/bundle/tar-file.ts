import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { exactly } from './bundle-sink.ts';
import { tarEnd, tarHeader, tarPadding } from './tar-format.ts';

/** So much is written in one go: many small files with what stands around each. Bytes. */
const togetherBytes = 256 * 1024;

/** One tar that is being written to a file. */
export class TarFile implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;
  #hash = createHash('sha256');
  /** What is in the file, and behind it what waits to be written there. Bytes. */
  #written = 0;
  readonly #waiting = Buffer.allocUnsafe(togetherBytes);
  #waits = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<TarFile> {
    return new TarFile(path, await open(path, 'wx', 0o644));
  }

  /** Bytes so far. */
  get size(): number {
    return this.#written + this.#waits;
  }

  /** Throws what the body throws; then it is as it was before. */
  async add(
    path: string,
    size: number,
    body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    const before = { size: this.size, hash: this.#hash.copy() };
    try {
      await this.#add(tarHeader(path, size));
      for await (const chunk of exactly(path, size, body)) await this.#add(chunk);
      await this.#add(tarPadding(size));
    } catch (error) {
      await this.#cut(before.size);
      this.#hash = before.hash;
      throw error;
    }
  }

  /** Its sha256, when all of it is on the disk. */
  async end(): Promise<string> {
    await this.#add(tarEnd);
    await this.#flush();
    await this.#file.sync();
    return this.#hash.digest('hex');
  }

  /** The bytes are somebody else's again when this settles. */
  async #add(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    if (this.#waits + bytes.length > togetherBytes) await this.#flush();
    if (bytes.length > togetherBytes) await this.#write(bytes);
    else {
      this.#waiting.set(bytes, this.#waits);
      this.#waits += bytes.length;
    }
  }

  async #cut(size: number): Promise<void> {
    this.#waits = Math.max(0, size - this.#written);
    if (size >= this.#written) return;
    await this.#file.truncate(size);
    this.#written = size;
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting.subarray(0, this.#waits);
    this.#waits = 0;
    await this.#write(waiting);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#written);
      at += bytesWritten;
      this.#written += bytesWritten;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
