import type { Descriptor } from '../oci/descriptor.ts';
import { hexOf } from '../oci/digest.ts';
import { isIndex } from '../oci/manifest.ts';
import { type Digest, hostOf, type RepositoryName, shownHost, shownName } from '../oci/reference.ts';
import { localTime } from '../values/local-time.ts';
import { type NamedImage, namedImages, type Shelf } from './named-images.ts';
import type { Entry } from './send-entries.ts';

/** The blobs that a manifest names, its config first. */
export type BlobsOf = (repository: RepositoryName, digest: Digest) => Promise<readonly Descriptor[]>;

/** Of a digest in a name, as the original cuts it. */
const shortDigits = 10;

export const imageHeader = 'URL DIGEST CREATED PULLED\n';

/** Every manifest whose name matches. */
export async function* manifestEntries(
  shelf: Shelf,
  matches: (name: string) => boolean,
): AsyncGenerator<readonly Entry[]> {
  for await (const page of namedImages(shelf, matches))
    yield page.map((named) => ({ text: lineOf(named), object: objectOf(named) }));
}

/** Every image, which is no index, whose name matches, and of whose own digest or blobs' digests one has `digest` in it; with its blobs. */
export async function* imageEntries(
  shelf: Shelf,
  blobsOf: BlobsOf,
  matches: (name: string) => boolean,
  digest: string,
): AsyncGenerator<readonly Entry[]> {
  for await (const page of namedImages(shelf, matches)) {
    for (const named of page) {
      const { repository, descriptor } = named.image;
      if (isIndex(descriptor.mediaType)) continue;
      const blobs = await blobsOf(repository, descriptor.digest);
      if (![descriptor, ...blobs].some((one) => one.digest.includes(digest))) continue;
      yield [{ text: lineOf(named) + blobLines(blobs), object: { ...objectOf(named), blobs: shown(blobs) } }];
    }
  }
}

function lineOf({ name, image: { descriptor, createdAt, usedAt } }: NamedImage): string {
  const url = name.replace(/(?<=@[a-z0-9]+:)[0-9a-f]+$/, (hex) => hex.slice(0, shortDigits));
  return `${url} ${hexOf(descriptor.digest)}  ${localTime(createdAt)} ${localTime(usedAt)}\n`;
}

/** Layers, then the config. */
function blobLines([config, ...layers]: readonly Descriptor[]): string {
  return [...layers, ...(config === undefined ? [] : [config])].map(({ digest }) => `- ${digest}\n`).join('');
}

function objectOf({ name, image, tag }: NamedImage): object {
  const { repository, descriptor, totalSize, missing, createdAt, usedAt, pinned, origin } = image;
  return {
    ...{ reference: name, repository: shownName(repository), tag: tag ?? null, digest: descriptor.digest },
    ...{ mediaType: descriptor.mediaType, upstream: shownHost(hostOf(repository)) },
    createdAt: new Date(createdAt).toISOString(),
    usedAt: new Date(usedAt).toISOString(),
    ...{ size: totalSize, missingBlobs: missing, origin },
    pinned: tag !== undefined && pinned.has(tag),
  };
}

function shown(blobs: readonly Descriptor[]): object[] {
  return blobs.map(({ digest, mediaType, size }) => ({ digest, mediaType, size }));
}
