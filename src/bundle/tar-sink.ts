import { readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Chunk, listName } from './bundle-list.ts';
import type { BundleSink } from './bundle-sink.ts';
import { nameFile, partialName, refuseExisting, syncFolder } from './named-files.ts';
import { TarFile } from './tar-file.ts';
import { tarEnd, tarSize } from './tar-format.ts';

/** A bundle of one tar, or of several of about a size: `x.tar`, or `x.tar.001`, `x.tar.002` and so on; `x.json` beside it lists them. */
export class TarSink implements BundleSink {
  readonly takesBack = true;
  readonly #path: string;
  /** Bytes; undefined: one tar, however large. */
  readonly #chunkSize: number | undefined;
  readonly #partial: string;
  /** Those that are written to their end, by their partial names. */
  readonly #ended: { readonly chunk: Chunk; readonly partial: string }[] = [];
  #tar: TarFile;
  /** Those that have their last name. */
  readonly #named: string[] = [];
  #isNamed = false;

  private constructor(path: string, chunkSize: number | undefined, partial: string, tar: TarFile) {
    this.#path = path;
    this.#chunkSize = chunkSize;
    this.#partial = partial;
    this.#tar = tar;
  }

  /** Throws LoadError where something is there. */
  static async open(path: string, chunkSize: number | undefined): Promise<TarSink> {
    const first = chunkSize === undefined ? path : numbered(path, 1);
    for (const name of [path, first, listPathOf(path)]) await refuseExisting(name);
    for (const name of await readdir(dirname(path)))
      if (isNumbered(name, basename(path))) await refuseExisting(join(dirname(path), name));
    const partial = partialName(path);
    return new TarSink(path, chunkSize, partial, await TarFile.create(numbered(partial, 1)));
  }

  get chunk(): number {
    return this.#ended.length + 1;
  }

  get chunks(): readonly Chunk[] {
    return [...this.#ended.map(({ chunk }) => chunk), { file: this.#nameOf(this.chunk) }];
  }

  async add(
    path: string,
    size: number,
    body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    if (this.#isFullFor(path, size)) await this.#next();
    await this.#tar.add(path, size, body);
  }

  async finish(list: (chunks: readonly Chunk[]) => Iterable<string>): Promise<void> {
    await this.#end();
    const chunks = this.#ended.map(({ chunk }) => chunk);
    const partialList = `${this.#partial}.json`;
    await writeFile(partialList, list(chunks), { flag: 'wx', flush: true });
    const folder = dirname(this.#path);
    for (const { chunk, partial } of this.#ended) {
      const path = join(folder, chunk.file);
      await nameFile(partial, path);
      this.#named.push(path);
    }
    await nameFile(partialList, listPathOf(this.#path));
    this.#isNamed = true;
    await syncFolder(folder);
  }

  /** What is no blob belongs to the last tar, however large that is. A blob larger than a tar should be has one of its own. */
  #isFullFor(path: string, size: number): boolean {
    if (this.#chunkSize === undefined || this.#tar.size === 0 || !path.startsWith('blobs/')) return false;
    return this.#tar.size + tarSize(path, size) + tarEnd.length > this.#chunkSize;
  }

  async #next(): Promise<void> {
    await this.#end();
    this.#tar = await TarFile.create(numbered(this.#partial, this.chunk));
  }

  async #end(): Promise<void> {
    await using tar = this.#tar;
    const sha256 = await tar.end();
    this.#ended.push({
      chunk: { file: this.#nameOf(this.chunk), size: tar.size, sha256 },
      partial: tar.path,
    });
  }

  #nameOf(chunk: number): string {
    const name = basename(this.#path);
    return this.#chunkSize === undefined ? name : numbered(name, chunk);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isNamed) return;
    await this.#tar[Symbol.asyncDispose]().catch(() => undefined);
    const partials = [...this.#ended.map(({ partial }) => partial), this.#tar.path, `${this.#partial}.json`];
    for (const path of [...partials, ...this.#named]) await rm(path, { force: true });
  }
}

function numbered(path: string, number: number): string {
  return `${path}.${String(number).padStart(3, '0')}`;
}

function isNumbered(name: string, of: string): boolean {
  return name.startsWith(`${of}.`) && /^\.\d{3,}$/.test(name.slice(of.length));
}

/** `bundle.tar` is listed by `bundle.json`. */
function listPathOf(path: string): string {
  const name = basename(path).replace(/\.tar$/, '');
  return join(dirname(path), name === '' ? listName : `${name}.json`);
}
