import type { Clock } from '../base/clock.ts';
import { jsonReader } from '../json/json-reader.ts';
import { storedBytes } from '../load/archive/stored-bytes.ts';
import { type ImageTree, readTree } from '../load/image-tree.ts';
import { LoadError, reasonOf } from '../load/load-error.ts';
import { Tally } from '../load/tally.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, hexOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { isIndex } from '../oci/manifest.ts';
import { isPlatform, type Platform, platformText } from '../oci/platform.ts';
import { type Digest, hostOf, isDigest, parseTag, type RepositoryName } from '../oci/reference.ts';
import type { Manifest } from '../oci/registry.ts';
import { BlobUnreadableError, type ContentStore } from '../storage/content-store.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { BundleBlobs } from './bundle-blobs.ts';
import { type Selection, selectedImages } from './cached-names.ts';

export interface ExportParts {
  readonly clock: Clock;
  readonly inventory: Inventory;
  readonly metadata: MetadataStore;
  readonly content: ContentStore;
  readonly blobs: BundleBlobs;
  /** Of an index only these; none: what is cached of it. */
  readonly platforms: readonly Platform[];
  readonly signal: AbortSignal;
}

/** What became of an image. */
export interface ExportedImage {
  readonly name: string;
  /** Of its root. */
  readonly descriptor: Descriptor;
  /** Why it is not in the bundle; undefined: it is. */
  readonly problem: string | undefined;
  /** Manifests of its index that are left out, since they are not cached whole. */
  readonly left: number;
  readonly tally: Tally;
}

/**
 * Behind the digest, in tags that say what refers to an image: the list of it where a registry has no API for that (distribution-spec "Referrers Tag
 * Schema"), and what cosign before version 3 keeps (cosign "Signature Specification", "Storage").
 */
const tagSuffixes = ['', '.sig', '.att', '.sbom'];
const mayRefer = /@|:sha256-/;

/** Puts what is selected into a bundle, with what refers to it; tells of each image. Throws where the bundle cannot be written, and the signal's reason. */
export async function exportImages(
  selection: Selection,
  parts: ExportParts,
  ended: (image: ExportedImage) => void,
): Promise<void> {
  const run = new ExportRun(parts, ended);
  for await (const { image, names } of selectedImages(parts, selection))
    await run.add(image.repository, image.descriptor, names);
}

class ExportRun {
  readonly #parts: ExportParts;
  readonly #ended: (image: ExportedImage) => void;
  /** Names of what is done and refers to something, or may: what leads to it again does not do it twice. */
  readonly #referring = new Set<string>();

  constructor(parts: ExportParts, ended: (image: ExportedImage) => void) {
    this.#parts = parts;
    this.#ended = ended;
  }

  async add(
    repository: RepositoryName,
    descriptor: Descriptor,
    names: readonly string[],
    platforms = this.#parts.platforms,
  ): Promise<void> {
    const fresh = names.filter((name) => !this.#referring.has(name));
    if (fresh.length === 0) return;
    for (const name of fresh) if (mayRefer.test(name)) this.#referring.add(name);
    this.#parts.signal.throwIfAborted();
    const image = new ImageExport(repository, descriptor, platforms, this.#parts);
    const problem = await image.run();
    // What the image cost is its first name's.
    for (const [at, name] of fresh.entries())
      this.#ended({
        name,
        descriptor,
        problem,
        left: image.left,
        tally: at === 0 ? image.tally : new Tally(),
      });
    for (const digest of image.manifests) await this.#addReferrers(repository, digest);
  }

  async #addReferrers(repository: RepositoryName, subject: Digest): Promise<void> {
    const { metadata } = this.#parts;
    for (const referrer of await metadata.listReferrers(repository, subject))
      await this.#addReferrer(repository, referrer, `${repository}@${referrer.digest}`);
    // A tag has no room for the digits of others.
    if (algorithmOf(subject) !== 'sha256') return;
    for (const suffix of tagSuffixes) {
      const tag = await metadata.getTag(repository, parseTag(`sha256-${hexOf(subject)}${suffix}`));
      if (tag !== undefined) await this.#addReferrer(repository, tag.descriptor, `${repository}:${tag.tag}`);
    }
  }

  async #addReferrer(repository: RepositoryName, descriptor: Descriptor, name: string): Promise<void> {
    await this.add(repository, descriptor, [name], []);
  }
}

/** One image with what it leads to. */
class ImageExport {
  readonly tally = new Tally();
  readonly #repository: RepositoryName;
  readonly #root: Descriptor;
  readonly #platforms: readonly Platform[];
  readonly #parts: ExportParts;
  readonly #left = new Set<Digest>();
  #tree: ImageTree | undefined;

  constructor(
    repository: RepositoryName,
    root: Descriptor,
    platforms: readonly Platform[],
    parts: ExportParts,
  ) {
    this.#repository = repository;
    this.#root = root;
    this.#platforms = platforms;
    this.#parts = parts;
  }

  /** That are in the bundle. */
  get manifests(): readonly Digest[] {
    return this.#tree?.manifests ?? [];
  }

  get left(): number {
    return this.#left.size;
  }

  /** What is wrong, in words; undefined: it is in the bundle. Throws where that cannot be written. */
  async run(): Promise<string | undefined> {
    try {
      const tree = await this.#read();
      for (const digest of tree.blobs) this.#count(await this.#parts.blobs.add(digest), 'blobs');
      for (const digest of tree.manifests) this.#count(await this.#parts.blobs.add(digest), 'manifests');
      this.#tree = tree;
      return undefined;
    } catch (error) {
      if (this.#parts.signal.aborted || !isOfImage(error)) throw error;
      return reasonOf(error);
    }
  }

  #count({ size, written }: { size: number; written: boolean }, kind: 'blobs' | 'manifests'): void {
    this.tally[kind] += 1;
    this.tally[written ? 'fetched' : 'present'] += size;
  }

  async #read(): Promise<ImageTree> {
    const { digest } = this.#root;
    const tree = await readTree(digest, {
      repository: this.#repository,
      platforms: this.#platforms,
      getManifest: async (wanted) => (isDigest(wanted) ? await this.#manifest(wanted) : undefined),
    });
    if (this.#platforms.length > 0) await this.#checkPlatforms();
    // What names nothing is whole.
    if (tree.blobs.length === 0 && this.#left.size + this.#platforms.length > 0)
      throw new LoadError('there is nothing of it: none of its manifests is cached whole');
    return tree;
  }

  /** Undefined: it is not cached, or not whole, and what the root of the image is all about is not missing with it. */
  async #manifest(digest: Digest): Promise<Manifest | undefined> {
    const { metadata, content } = this.#parts;
    const missing = await metadata.listMissingBlobs(this.#repository, digest, 1);
    const isRoot = digest === this.#root.digest;
    if (isRoot && missing?.[0] !== undefined)
      throw new LoadError(`its blob ${missing[0].digest} is not cached`);
    const recorded = await metadata.getManifest(this.#repository, digest);
    if (recorded === undefined || missing?.length !== 0) {
      this.#left.add(digest);
      return undefined;
    }
    const bytes = await storedBytes(content, digest);
    if (bytes === undefined) throw new LoadError(`its stored manifest ${digest} is damaged, or gone`);
    return { descriptor: recorded, bytes };
  }

  /** One that was asked for by name and is not there whole is no small matter. */
  async #checkPlatforms(): Promise<void> {
    if (this.#left.size === 0 || !isIndex(this.#root.mediaType)) return;
    const bytes = await storedBytes(this.#parts.content, this.#root.digest);
    if (bytes === undefined) return;
    const { items } = await jsonReader.read(hostOf(this.#repository), 'children', bytes);
    for (const { descriptor, attests, platform } of items) {
      if (attests !== undefined || platform === undefined || !this.#left.has(descriptor.digest)) continue;
      if (this.#platforms.some((wanted) => isPlatform(platform, wanted)))
        throw new LoadError(`what it has for ${platformText(platform)} is not cached whole: load it first`);
    }
  }
}

/** And not of the disk that the bundle is written to, or of this program. */
function isOfImage(error: unknown): boolean {
  return error instanceof LoadError || error instanceof BlobUnreadableError || error instanceof RegistryError;
}
