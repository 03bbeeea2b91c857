import { setImmediate } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { Claim } from '../base/claim.ts';
import type { Clock } from '../base/clock.ts';
import { tooMuchRead } from '../oci/busy.ts';
import { charsOf, type Descriptor } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/error.ts';
import {
  contentKey,
  type Digest,
  hostedHost,
  type Reference,
  type RepositoryName,
  shownName,
} from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  CallOptions,
  Manifest,
  ReferrersList,
  Registry,
  ResolveBlobOptions,
  TagList,
  TagListOptions,
} from '../oci/registry.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { leaseContent } from '../storage/operation.ts';

/** What one answer holds at most; clients follow the Link to the rest. */
const maxTags = 10_000;
/** A tag of 128 characters, and what is made of it to be sent. Bytes. */
const perTag = 512;
/** Of what refers to one manifest so many are told, so many characters of them; read so many at a time. */
const maxReferrers = 10_000;
const maxReferrersChars = 2 * 1024 * 1024;
const referrersAtOnce = 100;
/** So many times its characters until it was sent. */
const timesWhileKept = 4;

/**
 * Who asks whether a blob is here is going to name it, and not to send it: for so long it stays, though nothing names it by then. It is written down again
 * in the second half of that. Milliseconds.
 */
const lookedMs = 3_600_000;
const maxLooked = 10_000;

export interface HostedRegistryParts {
  readonly metadata: MetadataStore;
  readonly inventory: Inventory;
  readonly clock: Clock;
}

/** Repositories that live here: manifests and blobs by the cache, which never asks anybody else for them, and lists as the index has them. */
export class HostedRegistry implements Registry {
  readonly #cached: Registry;
  readonly #parts: HostedRegistryParts;
  /** Until when they stay. By {@link Clock.now}. */
  readonly #looked = new LRUCache<string, number>({ max: maxLooked });

  constructor(cached: Registry, parts: HostedRegistryParts) {
    this.#cached = cached;
    this.#parts = parts;
  }

  async resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Descriptor> {
    return await this.#cached.resolveManifest(repository, reference, options);
  }

  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Manifest> {
    return await this.#cached.getManifest(repository, reference, options);
  }

  /** Each is looked at here: an answer that is finished would keep nothing. */
  async resolveBlob(
    repository: RepositoryName,
    digest: Digest,
    options?: ResolveBlobOptions,
  ): Promise<BlobInfo> {
    await this.#keep(repository, digest);
    return await this.#cached.resolveBlob(repository, digest, { ...options, stands: undefined });
  }

  async getBlob(repository: RepositoryName, digest: Digest, options?: BlobOptions): Promise<BlobReader> {
    return await this.#cached.getBlob(repository, digest, options);
  }

  async listTags(
    repository: RepositoryName,
    { n = maxTags, last, report, holds, signal }: TagListOptions = {},
  ): Promise<TagList> {
    report?.({ kind: 'hit' });
    const limit = Math.min(n, maxTags);
    const room = new Claim(hostedHost);
    holds?.(room.share());
    if (holds !== undefined && !(await room.wait((limit + 1) * perTag, signal))) throw tooMuchRead();
    const found = await this.#parts.metadata.listTags(repository, { last, limit: limit + 1 });
    room.settle(found.length * perTag);
    if (found.length === 0) await this.#checkThere(repository);
    return { tags: found.slice(0, limit), hasMore: found.length > limit };
  }

  /** Some hundred of few words are no more than any answer; of more there is room for as many as are told. */
  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    { report, holds, signal }: CallOptions = {},
  ): Promise<ReferrersList> {
    report?.({ kind: 'hit' });
    const { metadata } = this.#parts;
    const referrers: Descriptor[] = [];
    let chars = 0;
    const room = new Claim(hostedHost);
    holds?.(room.share());
    for (;;) {
      const page = { after: referrers.at(-1)?.digest, limit: referrersAtOnce };
      const found = await metadata.pageReferrers(repository, digest, page);
      referrers.push(...found);
      chars += charsOf(found);
      if (found.length < referrersAtOnce) break;
      if (referrers.length >= maxReferrers || chars >= maxReferrersChars)
        return { referrers, cut: 'bounded' };
      if (holds !== undefined && !(await room.wait(timesWhileKept * maxReferrersChars, signal)))
        throw tooMuchRead();
      await setImmediate();
    }
    room.settle(timesWhileKept * chars);
    return { referrers };
  }

  /** Throws NAME_UNKNOWN: it has no image, and perhaps never had one. */
  async #checkThere(repository: RepositoryName): Promise<void> {
    const images = await this.#parts.inventory.images({ only: repository, limit: 1 });
    if (images.length === 0)
      throw new RegistryError('NAME_UNKNOWN', `there is no repository ${shownName(repository)} here`);
  }

  async #keep(repository: RepositoryName, digest: Digest): Promise<void> {
    const { metadata, clock } = this.#parts;
    const key = contentKey(repository, digest);
    const now = clock.now();
    const until = this.#looked.get(key) ?? 0;
    if (until - now > lookedMs / 2 && until - now <= lookedMs) return;
    if (!(await metadata.hasBlob(repository, digest))) return;
    this.#looked.set(key, now + lookedMs);
    await this.#leased(digest, now + lookedMs, () => this.#looked.delete(key));
  }

  /**
   * No reading fails, or waits for long, because the index takes nothing: a blob that goes meanwhile is missing to the manifest that names it, and then is
   * sent. How much waits to be written is bounded there.
   */
  async #leased(digest: Digest, until: number, failed: () => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const change = this.#parts.metadata.change([leaseContent([digest], 'look', until)], resolve);
    void change.catch(failed).then(resolve);
    await promise;
  }
}
