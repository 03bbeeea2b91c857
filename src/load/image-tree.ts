import { jsonReader } from '../json/json-reader.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/error.ts';
import { blamed } from '../oci/fault.ts';
import { isIndex, type ManifestContent, maxDescriptors } from '../oci/manifest.ts';
import { type IndexChild, isPlatform, type Platform, platformText } from '../oci/platform.ts';
import { type Digest, hostOf, isDigest, type Reference, type RepositoryName } from '../oci/reference.ts';
import type { Manifest } from '../oci/registry.ts';
import { LackedContentError, LoadError } from './load-error.ts';

/** An image as it is to be loaded: its manifests, the root first and each before what it names, and the blobs that they name, each once. */
export interface ImageTree {
  readonly root: Digest;
  readonly manifests: readonly Digest[];
  readonly blobs: readonly Digest[];
  /** Of all of them, as manifests claim it. Bytes. */
  readonly size: number;
}

export interface TreeSettings {
  readonly repository: RepositoryName;
  /** Of an index only these, with what attests them; none: all. */
  readonly platforms: readonly Platform[];
  /** Undefined: it is left out, with what it names. */
  readonly getManifest: (reference: Reference) => Promise<Manifest | undefined>;
}

/** Of all its manifests together; an index of thirty platforms has some hundred. */
const maxBlobs = 50_000;

/**
 * Reads an image from its root on: an index, the manifests of the wanted platforms, what they name. Throws LoadError where it has
 * none of them, or too much; RegistryError where a manifest is not to be had.
 */
export async function readTree(reference: Reference, settings: TreeSettings): Promise<ImageTree> {
  const { repository, getManifest } = settings;
  let manifest = await getManifest(reference);
  if (manifest === undefined) throw missing(reference);
  const root = manifest.descriptor.digest;
  const wanted = new Set<Digest>([root]);
  const manifests: Digest[] = [];
  const blobs = new Map<Digest, number>();
  let size = 0;
  // It grows meanwhile. One manifest is in memory at a time.
  for (const digest of wanted) {
    if (digest !== root) manifest = await getManifest(digest);
    if (manifest === undefined) continue;
    manifests.push(digest);
    size += manifest.descriptor.size;
    const content = await contentOf(repository, manifest);
    for (const blob of content.blobs) blobs.set(blob.digest, blob.size);
    for (const child of await childrenOf(manifest, content, settings)) wanted.add(child);
    if (wanted.size > maxDescriptors) throw new LoadError(`it has more than ${maxDescriptors} manifests`);
    if (blobs.size > maxBlobs) throw new LoadError(`it has more than ${maxBlobs} blobs`);
  }
  for (const claimed of blobs.values()) size += claimed;
  return { root, manifests, blobs: [...blobs.keys()], size };
}

function missing(reference: Reference): LoadError {
  const words = `its manifest ${reference} is missing`;
  return isDigest(reference) ? new LackedContentError(reference, words) : new LoadError(words);
}

async function contentOf(
  repository: RepositoryName,
  { bytes, descriptor }: Manifest,
): Promise<ManifestContent> {
  const content = await reading(
    async () => (await jsonReader.read(hostOf(repository), 'manifest', bytes, descriptor.mediaType)).head,
  );
  if (content.isHuge)
    throw new LoadError(`a manifest of it names more than ${maxDescriptors} blobs or manifests`);
  return content;
}

async function childrenOf(
  { bytes, descriptor }: Manifest,
  { manifests }: ManifestContent,
  { repository, platforms }: TreeSettings,
): Promise<Digest[]> {
  if (!isIndex(descriptor.mediaType)) return [];
  if (platforms.length === 0) return digestsOf(manifests);
  const { items } = await reading(async () => await jsonReader.read(hostOf(repository), 'children', bytes));
  return digestsOf(wantedOf(items, platforms).map((child) => child.descriptor));
}

/** What says nothing of its platform may be for any. */
function wantedOf(children: readonly IndexChild[], platforms: readonly Platform[]): IndexChild[] {
  const images = children.filter(
    ({ attests, platform }) =>
      attests === undefined &&
      (platform === undefined || platforms.some((wanted) => isPlatform(platform, wanted))),
  );
  if (images.length === 0) throw new LoadError(noneOf(children, platforms));
  const chosen = new Set(images.map(({ descriptor }) => descriptor.digest));
  return children.filter(({ descriptor, attests }) => chosen.has(attests ?? descriptor.digest));
}

function noneOf(children: readonly IndexChild[], platforms: readonly Platform[]): string {
  const there = children.flatMap(({ attests, platform }) =>
    attests !== undefined || platform === undefined ? [] : [platformText(platform)],
  );
  const wanted = platforms.map(platformText).join(', ');
  return `there is nothing for ${wanted} in it, only for ${[...new Set(there)].join(', ') || 'nothing'}`;
}

function digestsOf(descriptors: readonly Descriptor[]): Digest[] {
  return descriptors.map(({ digest }) => digest);
}

async function reading<Value>(read: () => Promise<Value>): Promise<Value> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof RegistryError ? error : blamed(error, 'UNAVAILABLE', 'upstream sent');
  }
}
