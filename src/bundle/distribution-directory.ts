import { opendir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { readBoundedFile } from '../base/bounded-file.ts';
import { reasonOf } from '../load/load-error.ts';
import { algorithmOf, hexOf } from '../oci/digest.ts';
import { type Digest, isDigestText } from '../oci/reference.ts';
import type { Found, FoundImage, ImageSource } from './image-source.ts';
import { foundFile } from './layout-folder.ts';

/** Of a link: a digest. Bytes. */
const maxLinkBytes = 1024;
const maxDepth = 32;

/** The file system storage of distribution (docker-registry): `docker/registry/v2` with `blobs` and `repositories` (distribution, "storage/paths.go"). */
export class DistributionDirectory implements ImageSource {
  readonly name: string;
  readonly isLinked = false;
  readonly #host: string;

  /** `root`: with `blobs` and `repositories` in it. `host`: the registry that it stands for. */
  constructor(root: string, host: string) {
    this.name = root;
    this.#host = host;
  }

  async *images(): AsyncGenerator<FoundImage | string> {
    const repositories = join(this.name, 'repositories');
    for await (const folder of repositoriesBelow(repositories, maxDepth)) {
      const repository = `${this.#host}/${relative(repositories, folder)}`;
      const manifests = join(folder, '_manifests');
      const tags = join(manifests, 'tags');
      for (const tag of await namesIn(tags))
        yield await this.#image(`${repository}:${tag}`, join(tags, tag, 'current', 'link'));
      const revisions = join(manifests, 'revisions', 'sha256');
      for (const hex of await namesIn(revisions))
        yield await this.#image(`${repository}@sha256:${hex}`, join(revisions, hex, 'link'));
    }
  }

  async #image(name: string, link: string): Promise<FoundImage | string> {
    try {
      const digest = (await readBoundedFile(link, maxLinkBytes)).toString('latin1').trim();
      if (!isDigestText(digest)) return `${link} names no digest`;
      return { name, root: digest, mediaType: '', find: async (wanted) => await this.#find(wanted) };
    } catch (error) {
      return `${link}: ${reasonOf(error)}`;
    }
  }

  async #find(digest: Digest): Promise<Found | undefined> {
    const hex = hexOf(digest);
    return await foundFile(join(this.name, 'blobs', algorithmOf(digest), hex.slice(0, 2), hex, 'data'));
  }
}

async function* repositoriesBelow(folder: string, depth: number): AsyncGenerator<string> {
  if (await isFolder(join(folder, '_manifests'))) yield folder;
  if (depth === 0) return;
  for (const name of await namesIn(folder))
    if (!name.startsWith('_')) yield* repositoriesBelow(join(folder, name), depth - 1);
}

/** Of the folders in a folder; none where it is none. */
async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  if (!(await isFolder(folder))) return names;
  for await (const entry of await opendir(folder)) if (entry.isDirectory()) names.push(entry.name);
  return names.sort();
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}
