import { LRUCache } from 'lru-cache';
import { abortable } from '../abortable.ts';
import type { BlobFill, FillSettings } from '../cache/blob-fill.ts';
import { retryAfterOf } from '../cache/completer.ts';
import { SingleFlight } from '../cache/single-flight.ts';
import { RegistryError } from '../oci/error.ts';
import { resolveRange } from '../oci/range.ts';
import { type Digest, hostOf, type RepositoryName } from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  CallOptions,
  Descriptor,
  Registry,
} from '../oci/registry.ts';
import type { OpenBlob } from '../storage/blob-store.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';

/** Where the bytes of a blob are to be had: in the store (undefined), or in a fill. */
interface Place {
  readonly fill: BlobFill | undefined;
  /** Was upstream asked for this caller, if only whether the repository owns the blob? */
  readonly asked: boolean;
}

/**
 * Blobs of one registry: from the store, else from one transfer for all who ask. A digest alone opens nothing: a repository
 * is served a blob only after upstream itself showed that this repository owns it, by giving it or by answering a HEAD;
 * and one registry's word counts for its own blobs only.
 */
export class CachedBlobs {
  readonly #upstream: Registry;
  readonly #policy: CachePolicy;
  readonly #parts: CacheParts;
  readonly #places = new SingleFlight<string, Place>();
  readonly #heads = new SingleFlight<string, BlobInfo>();
  readonly #linked = new LRUCache<string, true>({ max: 50_000 });

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#upstream = upstream;
    this.#policy = policy;
    this.#parts = parts;
  }

  async resolve(repository: RepositoryName, digest: Digest, options: CallOptions = {}): Promise<BlobInfo> {
    const { blobs, fills } = this.#parts;
    const stored = (await this.#isLinked(repository, digest)) ? await blobs.stat(digest) : undefined;
    if (stored !== undefined) {
      options.report?.({ kind: 'hit' });
      return stored;
    }
    const fill = fills.get(hostOf(repository), digest);
    options.report?.({ kind: 'miss', collapsed: fill !== undefined });
    if (fill?.owners.has(repository) === true) return await abortable(fill.head, options.signal);
    return await abortable(this.#head(repository, digest), options.signal);
  }

  async get(repository: RepositoryName, digest: Digest, options: BlobOptions = {}): Promise<BlobReader> {
    const { fill, asked } = await this.#locate(repository, digest, options);
    if (fill === undefined) {
      const blob = await this.#parts.blobs.open(digest);
      if (blob !== undefined) {
        options.report?.({ kind: asked ? 'revalidated' : 'hit' });
        return await storedReader(blob, options);
      }
      await this.#forget(digest);
      return await this.get(repository, digest, options);
    }
    options.report?.(fill.isVerified && !asked ? { kind: 'hit' } : { kind: 'miss', collapsed: !asked });
    this.#parts.fills.hurry(fill);
    return await fill.open(options.range, options.signal);
  }

  /** Settles when the blob is stored for this repository, at nobody's request. */
  async complete(repository: RepositoryName, { digest }: Descriptor): Promise<void> {
    const { fill } = await this.#locate(repository, digest, {});
    if (fill === undefined) return;
    await fill.head;
    await fill.done;
    if (fill.failed || !fill.isStored)
      throw new RegistryError('UNAVAILABLE', 'the blob could not be fetched and stored');
  }

  async #locate(repository: RepositoryName, digest: Digest, options: BlobOptions): Promise<Place> {
    const first = options.range !== undefined && 'first' in options.range ? options.range.first : 0;
    const running = this.#usable(repository, digest, first);
    if (running?.owners.has(repository) === true) return { fill: running, asked: false };
    const key = `${repository}@${digest}`;
    const joined = this.#places.has(key);
    const place = await abortable(
      this.#places.run(key, async () => await this.#place(repository, digest, first)),
      options.signal,
    );
    return joined ? { ...place, asked: false } : place;
  }

  async #place(repository: RepositoryName, digest: Digest, first: number): Promise<Place> {
    if (await this.#isLinked(repository, digest)) return { fill: undefined, asked: false };
    const running = this.#usable(repository, digest, first);
    if (running !== undefined) {
      await this.#head(repository, digest);
      running.owners.add(repository);
      return { fill: running, asked: true };
    }
    if (await this.#isOnHost(repository, digest)) {
      await this.#head(repository, digest);
      await this.#link(repository, digest);
      return { fill: undefined, asked: true };
    }
    return { fill: await this.#start(repository, digest), asked: true };
  }

  /** A fill that this reader can still join. */
  #usable(repository: RepositoryName, digest: Digest, first: number): BlobFill | undefined {
    const fill = this.#parts.fills.get(hostOf(repository), digest);
    return fill === undefined || fill.failed || !fill.holds(first) ? undefined : fill;
  }

  async #start(repository: RepositoryName, digest: Digest): Promise<BlobFill> {
    const { absent, fills, metadata } = this.#parts;
    const key = `${repository}@${digest}`;
    absent.check(key);
    const expected = (await metadata.expectedBlob(repository, digest)) ?? { digest, size: undefined };
    const fill = fills.start(hostOf(repository), repository, expected, this.#fillSettings());
    fill.head.catch((error: unknown) => this.#noteFailure(repository, key, error));
    return fill;
  }

  #fillSettings(): FillSettings {
    const { blobs, clock, log, random, tasks } = this.#parts;
    return {
      upstream: this.#upstream,
      store: blobs,
      clock,
      log,
      random,
      stored: async (fill) => {
        for (const owner of fill.owners) await this.#link(owner, fill.digest);
      },
      closed: (tape) => tasks.run('closing a blob transfer', async () => await tape?.[Symbol.asyncDispose]()),
    };
  }

  /** Asks upstream whether the repository owns the blob. */
  async #head(repository: RepositoryName, digest: Digest): Promise<BlobInfo> {
    const key = `${repository}@${digest}`;
    this.#parts.absent.check(key);
    return await this.#heads.run(key, async () => {
      try {
        return await this.#upstream.resolveBlob(repository, digest);
      } catch (error) {
        this.#noteFailure(repository, key, error);
        throw error;
      }
    });
  }

  #noteFailure(repository: RepositoryName, key: string, error: unknown): void {
    this.#parts.absent.note(key, error, this.#policy.negativeTtl);
    if (error instanceof RegistryError && error.status === 429) {
      this.#parts.completer.pause(hostOf(repository), retryAfterOf(error));
    }
  }

  async #isLinked(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const key = `${repository}@${digest}`;
    if (this.#linked.get(key) === true) return true;
    const linked = await this.#parts.metadata.hasBlob(repository, digest);
    if (linked) this.#linked.set(key, true);
    return linked;
  }

  async #isOnHost(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const { blobs, metadata } = this.#parts;
    return (
      (await metadata.hasBlobOnHost(hostOf(repository), digest)) && (await blobs.stat(digest)) !== undefined
    );
  }

  async #link(repository: RepositoryName, digest: Digest): Promise<void> {
    await this.#parts.metadata.linkBlob(repository, digest);
    this.#linked.set(`${repository}@${digest}`, true);
  }

  /** The bytes are gone from the store, whoever removed them. */
  async #forget(digest: Digest): Promise<void> {
    for (const key of [...this.#linked.keys()]) if (key.endsWith(digest)) this.#linked.delete(key);
    await this.#parts.metadata.unlinkBlob(digest);
  }
}

async function storedReader(blob: OpenBlob, { range: spec }: BlobOptions): Promise<BlobReader> {
  try {
    const range = spec === undefined ? undefined : resolveRange(spec, blob.size);
    return {
      digest: blob.digest,
      size: blob.size,
      range,
      body: blob.read(range),
      [Symbol.asyncDispose]: async () => await blob[Symbol.asyncDispose](),
    };
  } catch (error) {
    await blob[Symbol.asyncDispose]();
    throw error;
  }
}
