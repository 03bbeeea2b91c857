import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { exportImages } from '#src/app/export.ts';
import { importImages } from '#src/app/import.ts';
import type { ExportedImage } from '#src/bundle/export-images.ts';
import { type Flags, loadConfig } from '#src/config/load.ts';
import type { LoadedImage } from '#src/load/load-images.ts';
import { sha256 } from '#src/oci/digest.ts';
import { parsePlatform } from '#src/oci/platform.ts';
import type { RegistryHost } from '#src/oci/reference.ts';
import type { LayoutFile } from './layouts.ts';
import { LogLines } from './log-lines.ts';
import { ask } from './registry-server.ts';
import { runApp, temporaryDirectory } from './running-app.ts';

export interface ExportWishes {
  readonly matches?: (name: string) => boolean;
  readonly isExact?: boolean;
  readonly usedSince?: number;
  readonly platforms?: readonly string[];
  readonly chunkSize?: number;
  readonly since?: string;
  readonly signal?: AbortSignal;
}

/** A cache without any upstream, what fills it, and what is taken out of it; with a folder beside it. */
export class CacheDirectory implements AsyncDisposable {
  /** Around it. */
  readonly path: string;
  readonly #directory: AsyncDisposable;
  readonly #more: Flags;

  private constructor(directory: AsyncDisposable & { readonly path: string }, more: Flags) {
    this.path = directory.path;
    this.#directory = directory;
    this.#more = more;
  }

  /** `more`: settings. */
  static async make(more: Flags = {}): Promise<CacheDirectory> {
    return new CacheDirectory(await temporaryDirectory(), more);
  }

  get imagePath(): string {
    return join(this.path, 'cache');
  }

  get settings() {
    return { ...this.#more, imagePath: this.imagePath, airGapped: true };
  }

  /** Writes files into a folder beside the cache. */
  async folder(name: string, files: readonly LayoutFile[]): Promise<string> {
    const folder = join(this.path, name);
    for (const [path, content] of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      const isText = content instanceof Uint8Array || typeof content === 'string';
      await writeFile(join(folder, path), isText ? content : JSON.stringify(content));
    }
    return folder;
  }

  async import(
    paths: readonly string[],
    { host, platforms = [] }: { readonly host?: string; readonly platforms?: readonly string[] } = {},
  ): Promise<LoadedImage[]> {
    const { config } = await loadConfig({ flags: this.settings, env: {} });
    const ended: LoadedImage[] = [];
    const order = { paths, host: host as RegistryHost | undefined, platforms: platforms.map(platform) };
    await importImages(config, order, {
      ...{ version: '0', env: {}, log: new LogLines(), signal: new AbortController().signal },
      ended: (image) => ended.push(image),
    });
    return ended.map((image) => ({ ...image, name: image.name.replaceAll(this.path, 'DIR') }));
  }

  /** Also what went to standard output. */
  async export(
    to: string,
    { matches = () => true, isExact = false, usedSince, chunkSize, since, ...wishes }: ExportWishes = {},
  ): Promise<{ readonly images: ExportedImage[]; readonly output: Buffer }> {
    const chunks: Buffer[] = [];
    const stdout = new Writable({
      write(chunk: Buffer, _, done) {
        chunks.push(chunk);
        done();
      },
    });
    const images: ExportedImage[] = [];
    const { platforms = [], signal = new AbortController().signal } = wishes;
    await exportImages(
      { imagePath: this.imagePath },
      {
        ...{ to, chunkSize, since, platforms: platforms.map(platform) },
        selection: { matches, isExact, usedSince },
      },
      { log: new LogLines(), stdout, signal, ended: (image) => images.push(image) },
    );
    return { images, output: Buffer.concat(chunks) };
  }

  /** What a server gives that has nothing but the cache: statuses, digests of the bodies. */
  async served(...paths: readonly string[]): Promise<[status: number, digest: string][]> {
    await using app = await runApp(this.settings);
    const answers: [number, string][] = [];
    for (const path of paths) {
      const { status, body } = await ask(app.server, `/v2/${path}`);
      answers.push([status, sha256(body)]);
    }
    return answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#directory[Symbol.asyncDispose]();
  }
}

function platform(text: string) {
  const parsed = parsePlatform(text);
  if (parsed === undefined) throw new Error(`${text} is no platform`);
  return parsed;
}

/** Names and what is wrong with them. */
export function problemsOf(
  images: readonly { readonly name: string; readonly problem?: string | undefined }[],
) {
  return images.map(({ name, problem }) => [name, problem]);
}
