import { abortable } from '../abortable.ts';
import type { BlobFill, FillSettings } from '../cache/blob-fill.ts';
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
import type { OpenBlob, StoredBlob } from '../storage/blob-store.ts';
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

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#upstream = upstream;
    this.#policy = policy;
    this.#parts = parts;
  }

  async resolve(repository: RepositoryName, digest: Digest, options: CallOptions = {}): Promise<BlobInfo> {
    const { blobs, fills, links } = this.#parts;
    const stored = (await links.has(repository, digest)) ? await blobs.stat(digest) : undefined;
    if (stored !== undefined && (await this.#hasItsSize(repository, stored))) {
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
      const blob = await this.#open(repository, digest);
      if (blob !== undefined) {
        options.report?.({ kind: asked ? 'revalidated' : 'hit' });
        return await storedReader(blob, options);
      }
      await this.#parts.links.forget(repository, digest);
      return await this.get(repository, digest, options);
    }
    // It may have passed this by while upstream was asked whether the repository owns it.
    if (!fill.holds(firstOf(options))) return await this.get(repository, digest, options);
    options.report?.(fill.isVerified && !asked ? { kind: 'hit' } : { kind: 'miss', collapsed: !asked });
    this.#parts.fills.hurry(fill);
    return await fill.open(options.range, options.signal);
  }

  /** Settles when the blob is stored for this repository, at nobody's request. */
  async complete(repository: RepositoryName, { digest }: Descriptor, signal?: AbortSignal): Promise<void> {
    if (!this.#policy.complete) return;
    const { fill } = await this.#locate(repository, digest, { signal });
    if (fill === undefined) return;
    await abortable(fill.head, signal);
    await abortable(fill.done, signal);
    if (fill.failed || !fill.isStored)
      throw new RegistryError('UNAVAILABLE', 'the blob could not be fetched and stored');
  }

  async #locate(repository: RepositoryName, digest: Digest, options: BlobOptions): Promise<Place> {
    const first = firstOf(options);
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
    if (await this.#parts.links.has(repository, digest)) return { fill: undefined, asked: false };
    const running = this.#usable(repository, digest, first);
    if (running !== undefined) {
      await this.#head(repository, digest);
      running.owners.add(repository);
      return { fill: running, asked: true };
    }
    if (await this.#isOnHost(repository, digest)) {
      await this.#head(repository, digest);
      await this.#parts.links.add(repository, digest);
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
    const { absent, fills, manifests } = this.#parts;
    const key = `${repository}@${digest}`;
    absent.check(key);
    const expected = (await manifests.expectedBlob(repository, digest)) ?? { digest, size: undefined };
    const fill = fills.start(hostOf(repository), repository, expected, this.#fillSettings());
    fill.head.catch((error: unknown) => this.#noteFailure(repository, key, error));
    return fill;
  }

  #fillSettings(): FillSettings {
    const { backlog, blobs, clock, links, log, random, tasks } = this.#parts;
    return {
      upstream: this.#upstream,
      store: blobs,
      backlog,
      clock,
      log,
      random,
      stored: async (fill) => {
        for (const owner of fill.owners) await links.add(owner, fill.digest);
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
    this.#parts.completer.noteFailure(hostOf(repository), error);
  }

  /** Undefined: its bytes are gone, or they are not all there or too many, and then they are removed. */
  async #open(repository: RepositoryName, digest: Digest): Promise<OpenBlob | undefined> {
    const { blobs, log } = this.#parts;
    const blob = await blobs.open(digest);
    if (blob === undefined || (await this.#hasItsSize(repository, blob))) return blob;
    await blob[Symbol.asyncDispose]();
    log.error({ digest, size: blob.size }, 'a cached blob is damaged on disk: fetching it again');
    await blobs.delete(digest);
    return undefined;
  }

  async #hasItsSize(repository: RepositoryName, { digest, size }: StoredBlob): Promise<boolean> {
    const expected = await this.#parts.manifests.expectedBlob(repository, digest);
    return expected?.size === undefined || expected.size === size;
  }

  async #isOnHost(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const { blobs, metadata } = this.#parts;
    return (
      (await metadata.hasBlobOnHost(hostOf(repository), digest)) && (await blobs.stat(digest)) !== undefined
    );
  }
}

/** Where a reader begins, or before. */
function firstOf({ range }: BlobOptions): number {
  return range !== undefined && 'first' in range ? range.first : 0;
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
