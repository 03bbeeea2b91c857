import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#src/base/clock.ts';
import { type Digest, parseRegistryHost, parseTag, repositoryName } from '#src/oci/reference.ts';
import { linkBlob, type Operation, putManifest, putTag } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { manifestType, plainImage, type SmallImage, sha256 } from '../content.ts';

/** In a repository. */
const imagesEach = 100;
const imagesAtOnce = 10;
/** What was pulled longest ago was so long ago; the others lie evenly between that and now. */
const oldestDays = 100;
const dayMs = 86_400_000;

/** The repository of a plain image, as clients name it. */
export function pathOfPlain(number: number): string {
  return `r${Math.floor(number / imagesEach)}`;
}

/**
 * Puts so many plain images into an empty cache, each with three blobs of its own, as if clients had pulled them from that registry, the first of
 * them a hundred days ago. Files are as old as they are: nobody can say that they came earlier.
 */
export async function fillDirectory(cache: string, registry: string, images: number): Promise<void> {
  const root = join(cache, 'v1');
  for (const algorithm of ['sha256', 'sha512'])
    mkdirSync(join(root, 'blobs', algorithm), { recursive: true });
  const host = parseRegistryHost(registry);
  const startedAt = Date.now();
  let now = startedAt;
  await using index = await SqliteMetadataStore.open(root, { clock: { ...systemClock, now: () => now } });
  for (let first = 0; first < images; first += imagesAtOnce) {
    now = Math.round(startedAt - ((images - first) / images) * oldestDays * dayMs);
    const numbers = Array.from({ length: Math.min(imagesAtOnce, images - first) }, (_, at) => first + at);
    await index.change(numbers.flatMap((number) => stored(root, host, number, now)));
  }
}

/** Writes its files. Returns what the index is told of them. */
function stored(
  root: string,
  host: ReturnType<typeof parseRegistryHost>,
  number: number,
  checkedAt: number,
): Operation[] {
  const image = plainImage(number);
  const repository = repositoryName(host, pathOfPlain(number));
  const links = image.blobs.map(({ digest, bytes }) => {
    const stamp = written(root, digest, bytes);
    return linkBlob(repository, digest as Digest, bytes.length, 'upstream', stamp);
  });
  const digest = sha256(image.manifest) as Digest;
  written(root, digest, image.manifest);
  const descriptor = { mediaType: manifestType, digest, size: image.manifest.length };
  return [
    ...links,
    putManifest(repository, { descriptor, blobs: descriptorsOf(image) }),
    putTag(repository, { tag: parseTag(image.tag), descriptor, checkedAt }),
  ];
}

function descriptorsOf({ blobs }: SmallImage) {
  return blobs.map(({ digest, bytes }) => ({
    mediaType: 'application/octet-stream',
    digest: digest as Digest,
    size: bytes.length,
  }));
}

function written(root: string, digest: string, bytes: Buffer) {
  const path = join(root, 'blobs', digest.replace(':', '/'));
  writeFileSync(path, bytes, { mode: 0o644 });
  const { ino, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return { inode: ino, modifiedAt: mtimeNs, changedAt: ctimeNs };
}
