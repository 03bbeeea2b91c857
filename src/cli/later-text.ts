import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Characters. */
const pieceChars = 64 * 1024;

/** Text that is said last, however long it is: it waits in a file that has no name, and in memory where that cannot be written. */
export class LaterText implements AsyncDisposable {
  readonly #file: FileHandle | undefined;
  /** Of the file. Bytes. */
  #size = 0;
  #isFull: boolean;
  /** What the file has not. */
  #rest = '';

  private constructor(file: FileHandle | undefined) {
    this.#file = file;
    this.#isFull = file === undefined;
  }

  static async open(directory = tmpdir()): Promise<LaterText> {
    return new LaterText(await nameless(directory).catch(() => undefined));
  }

  async add(text: string): Promise<void> {
    this.#rest += text;
    if (this.#isFull || this.#rest.length < pieceChars) return;
    try {
      await this.#write(Buffer.from(this.#rest));
      this.#rest = '';
    } catch {
      // Whoever removes images may do so because the disk is full.
      this.#isFull = true;
    }
  }

  /** All of it, in pieces. */
  async *read(): AsyncGenerator<string> {
    const range = { start: 0, end: this.#size - 1 };
    if (this.#file !== undefined && this.#size > 0)
      for await (const piece of this.#file.createReadStream({ ...range, encoding: 'utf8', autoClose: false }))
        yield piece as string;
    yield this.#rest;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const written = await this.#file?.write(bytes, at, bytes.length - at, this.#size + at);
      at += written?.bytesWritten ?? bytes.length;
    }
    this.#size += bytes.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }
}

async function nameless(directory: string): Promise<FileHandle> {
  const path = join(directory, `ociregistry-${randomBytes(8).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  await rm(path);
  return file;
}
