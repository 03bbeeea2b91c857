import type { Slots } from '../base/slots.ts';
import { algorithmOf, hexOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { maxDescriptors } from '../oci/manifest.ts';
import type { Outcome } from '../oci/outcome.ts';
import type { Platform } from '../oci/platform.ts';
import {
  type Digest,
  hostOf,
  type ImageName,
  isDigest,
  parseTag,
  type Reference,
  type RegistryHost,
} from '../oci/reference.ts';
import type { Manifest } from '../oci/registry.ts';
import { type ImageTree, readTree } from './image-tree.ts';
import { LoadError } from './load-error.ts';
import type { LoadingRegistry } from './loading-registry.ts';
import { type StoredImageParts, untilStored } from './stored-image.ts';
import { Tally } from './tally.ts';

export interface ImageLoadParts extends StoredImageParts {
  readonly registryOf: (host: RegistryHost) => LoadingRegistry;
  /** Blobs that are fetched at a time, of all images. */
  readonly slots: Slots;
}

export interface Wanted {
  /** Of an index only these; none: all. */
  readonly platforms: readonly Platform[];
  /** Also what refers to it: signatures, attestations, SBOMs. */
  readonly referrers: boolean;
}

/** Of one image at a time. */
const maxBlobs = 8;

/** Under these tags cosign before version 3 keeps what refers to an image (cosign "Signature Specification", "Storage"). */
const cosignSuffixes = ['sig', 'att', 'sbom'];

/** One image that is pulled through the cache, as far as it is not there, and stays. */
export class ImageLoad {
  readonly tally = new Tally();
  #kept: Digest | undefined;
  /** Has upstream said what the image is, or was that still fresh? */
  #isVouchedFor = false;
  readonly #image: ImageName;
  readonly #wanted: Wanted;
  readonly #parts: ImageLoadParts;
  readonly #signal: AbortSignal;
  /** Digests in the tally: each counts once, however often it is tried or named. */
  readonly #counted = new Set<Digest>();

  constructor(image: ImageName, wanted: Wanted, parts: ImageLoadParts, signal: AbortSignal) {
    this.#image = image;
    this.#wanted = wanted;
    this.#parts = parts;
    this.#signal = signal;
  }

  /** What its tag pointed at before, where upstream could not say whether it still does. */
  get kept(): Digest | undefined {
    return this.#kept;
  }

  /** Returns the digest of its root. Throws LoadError, RegistryError or the signal's reason; then it may be called again. */
  async run(): Promise<Digest> {
    this.#signal.throwIfAborted();
    this.#beginAnew();
    try {
      return await this.#run();
    } catch (error) {
      if (!this.#isVouchedFor && !isAbsent(error)) this.#kept = await this.#fromBefore();
      throw error;
    }
  }

  #beginAnew(): void {
    this.#kept = undefined;
    this.#isVouchedFor = false;
    this.tally.expected = 0;
  }

  async #run(): Promise<Digest> {
    const { platforms, referrers } = this.#wanted;
    const tree = await this.#load(this.#image.reference, platforms);
    if (tree.blobs.length === 0) throw new LoadError('there is nothing in it: it names no blob');
    if (referrers) for (const digest of tree.manifests) await this.#loadReferrers(digest);
    return tree.root;
  }

  async #fromBefore(): Promise<Digest | undefined> {
    const { repository, reference } = this.#image;
    if (isDigest(reference) || this.#signal.aborted) return undefined;
    return (await this.#parts.metadata.getTag(repository, reference))?.descriptor.digest;
  }

  get #registry(): LoadingRegistry {
    return this.#parts.registryOf(hostOf(this.#image.repository));
  }

  async #load(reference: Reference, platforms: readonly Platform[]): Promise<ImageTree> {
    const { repository } = this.#image;
    const getManifest = async (wanted: Reference) => await this.#manifest(wanted);
    const tree = await readTree(reference, { repository, platforms, getManifest });
    this.tally.expected += tree.size;
    await this.#bringAll(tree.blobs);
    await untilStored({ repository, reference }, tree, this.#parts, this.#signal);
    return tree;
  }

  /** All of them come to their end, so that the next attempt lacks as little as possible. */
  async #bringAll(blobs: readonly Digest[]): Promise<void> {
    const failures: unknown[] = [];
    const waiting = blobs.values();
    const work = async (): Promise<void> => {
      for (const digest of waiting) {
        try {
          await this.#bring(digest);
        } catch (error) {
          failures.push(error);
          if (this.#signal.aborted) return;
        }
      }
    };
    await Promise.all(Array.from({ length: maxBlobs }, work));
    if (failures.length > 0) throw failures[0];
  }

  async #manifest(reference: Reference): Promise<Manifest> {
    const found = { wasHere: true };
    const report = ({ kind }: Outcome): void => {
      found.wasHere = kind !== 'miss';
    };
    const options = { signal: this.#signal, report, neverStale: true };
    const manifest = await this.#registry.getManifest(this.#image.repository, reference, options);
    this.#isVouchedFor = true;
    const { descriptor, bytes } = manifest;
    if (this.#isNew(descriptor.digest)) {
      this.tally.manifests += 1;
      this.tally[found.wasHere ? 'present' : 'fetched'] += bytes.length;
    }
    return manifest;
  }

  async #bring(digest: Digest): Promise<void> {
    const { slots } = this.#parts;
    const received = (bytes: number): void => {
      this.tally.fetched += bytes;
    };
    await slots.take(this.#signal);
    try {
      const signal = this.#signal;
      const blob = await this.#registry.bringBlob(this.#image.repository, digest, { signal, received });
      if (!this.#isNew(digest)) return;
      this.tally.blobs += 1;
      if (blob.wasHere) this.tally.present += blob.size;
    } finally {
      slots.giveBack();
    }
  }

  /** Those of referrers themselves are not looked for. */
  async #loadReferrers(digest: Digest): Promise<void> {
    const { repository } = this.#image;
    const options = { signal: this.#signal, neverStale: true };
    const { referrers, cut } = await this.#registry.listReferrers(repository, digest, options);
    if (cut !== undefined || referrers.length > maxDescriptors)
      throw new LoadError(`the list of what refers to ${digest} could not be read to its end`);
    for (const referrer of referrers) await this.#load(referrer.digest, []);
    // A tag has no room for the digits of others.
    if (algorithmOf(digest) !== 'sha256') return;
    for (const suffix of cosignSuffixes)
      await this.#loadIfThere(parseTag(`sha256-${hexOf(digest)}.${suffix}`));
  }

  /** That there is nothing of that name is no fault; that something of it is missing is one. */
  async #loadIfThere(reference: Reference): Promise<void> {
    try {
      await this.#manifest(reference);
    } catch (error) {
      if (isAbsent(error)) return;
      throw error;
    }
    await this.#load(reference, []);
  }

  #isNew(digest: Digest): boolean {
    const isNew = !this.#counted.has(digest);
    this.#counted.add(digest);
    return isNew;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 404;
}
