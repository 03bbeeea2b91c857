import { opendir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { LayoutImage } from '../load/archive/read-archive.ts';
import type { Digest } from '../oci/reference.ts';
import type { FoundImage, ImageSource } from './image-source.ts';
import { LayoutFolder } from './layout-folder.ts';

/** A repository's name has not many more parts, and what is deeper is none. */
const maxDepth = 16;

/** As container clients tell a host from a repository. */
const beginsWithHost = /^(?:localhost|[^/]*[.:][^/]*)\//;

/** zot's directory, or another in which each repository is a layout below a root: its entries have tags, or no name at all, and the folder is the rest of it. */
export class ZotDirectory implements ImageSource {
  readonly name: string;
  readonly isLinked = false;
  readonly #host: string | undefined;

  /** `host`: the registry that it stands for; undefined: the folders begin with one. */
  constructor(root: string, host: string | undefined) {
    this.name = root;
    this.#host = host;
  }

  async *images(): AsyncGenerator<FoundImage | string> {
    for await (const folder of layoutsBelow(this.name, maxDepth)) {
      const path = relative(this.name, folder);
      if (this.#host === undefined && !beginsWithHost.test(path)) {
        yield `${folder}: which registry does its repository belong to? --as HOST`;
        continue;
      }
      const repository = this.#host === undefined ? path : `${this.#host}/${path}`;
      const rest = (digest: Digest, tag: string | undefined) =>
        tag === undefined ? `@${digest}` : `:${tag}`;
      const nameOf = ({ descriptor, name, tag }: LayoutImage) =>
        name ?? `${repository}${rest(descriptor.digest, tag)}`;
      const layout = new LayoutFolder(folder, nameOf);
      yield* layout.images();
    }
  }
}

/** Folders that are layouts. Links are not followed: they may lead back. */
export async function* layoutsBelow(folder: string, depth: number): AsyncGenerator<string> {
  if (await isLayout(folder)) {
    yield folder;
    return;
  }
  if (depth === 0) return;
  for await (const entry of await opendir(folder))
    if (entry.isDirectory() && !entry.name.startsWith('.'))
      yield* layoutsBelow(join(folder, entry.name), depth - 1);
}

export async function isLayout(folder: string): Promise<boolean> {
  return await stat(join(folder, 'oci-layout')).then(
    (status) => status.isFile(),
    () => false,
  );
}
