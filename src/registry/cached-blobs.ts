import { abortable } from '../abortable.ts';
import type { BlobFill, FillSettings, Seat } from '../cache/blob-fill.ts';
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
import { PromptedBlobs } from './prompted-blobs.ts';

/** What was seen may be gone when it is reached for: a fill fails, a file is removed. Then it is looked for again, so often. */
const maxLooks = 8;

/** One request for a blob, and what was found out for it so far. */
interface Asking {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly options: BlobOptions;
  /** Does a client wait? */
  readonly isUrgent: boolean;
  /** Was upstream asked for this caller, if only whether the repository owns the blob? */
  asked: boolean;
  /** Has upstream said that the repository owns the blob? */
  isOwner: boolean;
}

/**
 * Blobs of one registry: from the store, else from one transfer for all who ask. A digest alone opens nothing: a repository
 * is served a blob only after upstream itself showed that this repository owns it, by giving it or by answering a HEAD;
 * and one registry's word counts for its own blobs only.
 *
 * Nothing that was seen is trusted after something was awaited: a place in a running fill is held from the moment it is seen,
 * a file is opened rather than looked at, and a fill is started only where none runs at that moment.
 */
export class CachedBlobs {
  readonly #upstream: PromptedBlobs;
  readonly #policy: CachePolicy;
  readonly #parts: CacheParts;
  readonly #heads = new SingleFlight<string, BlobInfo>();

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#upstream = new PromptedBlobs(upstream, parts);
    this.#policy = policy;
    this.#parts = parts;
  }

  async resolve(repository: RepositoryName, digest: Digest, options: CallOptions = {}): Promise<BlobInfo> {
    const { fills, links } = this.#parts;
    const stored = (await links.has(repository, digest)) ? await this.#stat(digest) : undefined;
    if (stored !== undefined) {
      options.report?.({ kind: 'hit' });
      return { ...stored, isVerified: true };
    }
    const fill = fills.get(hostOf(repository), digest);
    options.report?.({ kind: 'miss', collapsed: fill !== undefined });
    const filling = fill === undefined ? undefined : await this.#headOf(fill, repository, options.signal);
    if (filling !== undefined) return filling;
    const { size } = await abortable(this.#head(repository, digest), options.signal);
    return { digest, size: size ?? (await this.#parts.sizes.expected(repository, digest)).size };
  }

  async get(repository: RepositoryName, digest: Digest, options: BlobOptions = {}): Promise<BlobReader> {
    return await this.#find({ repository, digest, options, isUrgent: true, asked: false, isOwner: false });
  }

  /** Settles when the blob is stored for this repository, at nobody's request. */
  async complete(repository: RepositoryName, { digest }: Descriptor, signal?: AbortSignal): Promise<void> {
    if (!this.#policy.complete) return;
    const asking = { repository, digest, options: { signal }, asked: false, isOwner: false };
    // Left at once: it goes on without us, and who does not read must not hold up a blob that passes through.
    await (await this.#find({ ...asking, isUrgent: false }))[Symbol.asyncDispose]();
    const fill = this.#parts.fills.get(hostOf(repository), digest);
    if (fill !== undefined) await abortable(fill.done, signal);
    if (!(await this.#parts.links.has(repository, digest)))
      throw new RegistryError('UNAVAILABLE', 'the blob could not be fetched and stored');
  }

  async #find(asking: Asking): Promise<BlobReader> {
    for (let look = 0; look < maxLooks; look += 1) {
      const reader = await this.#look(asking);
      if (reader !== undefined) return reader;
    }
    throw new RegistryError('UNAVAILABLE', 'the blob was lost again and again while it was asked for', {
      status: 503,
      headers: { 'Retry-After': '1' },
    });
  }

  /** Undefined: what was seen was gone when it was reached for. */
  async #look(asking: Asking): Promise<BlobReader | undefined> {
    const { repository, digest, options } = asking;
    const seat = this.#parts.fills.get(hostOf(repository), digest)?.join(repository, options.range);
    if (seat !== undefined) return await this.#fromFill(asking, seat);
    return (await this.#fromStore(asking)) ?? (await this.#fromUpstream(asking));
  }

  /** The seat is held while upstream is asked about this repository; a blob that is in the store already needs none. */
  async #fromFill(asking: Asking, seat: Seat): Promise<BlobReader | undefined> {
    using held = new DisposableStack();
    held.use(seat);
    if (!seat.fill.isOwnedBy(asking.repository)) {
      const stored = await this.#fromLinked(asking);
      if (stored !== undefined) return stored;
      await this.#own(asking, seat.fill);
    }
    const reader = seat.isGood ? await this.#follow(asking, seat) : undefined;
    if (reader !== undefined) held.move();
    return reader;
  }

  async #fromStore(asking: Asking): Promise<BlobReader | undefined> {
    const { repository, digest } = asking;
    const linked = await this.#fromLinked(asking);
    if (linked !== undefined || !(await this.#isOnHost(repository, digest))) return linked;
    await this.#proveOwner(asking);
    await this.#parts.links.add(repository, digest);
    return await this.#fromLinked(asking);
  }

  async #fromLinked({ repository, digest, options, asked }: Asking): Promise<BlobReader | undefined> {
    const { links } = this.#parts;
    if (!(await links.has(repository, digest))) return undefined;
    const since = links.now();
    const blob = await this.#open(digest);
    if (blob === undefined) {
      await links.forget(digest, since);
      return undefined;
    }
    options.report?.({ kind: asked ? 'revalidated' : 'hit' });
    return await storedReader(blob, options);
  }

  async #fromUpstream(asking: Asking): Promise<BlobReader | undefined> {
    const { repository, digest, options } = asking;
    const { absent, fills, sizes } = this.#parts;
    const key = `${repository}@${digest}`;
    absent.check(key);
    const expected = await sizes.expected(repository, digest);
    const seat = fills.start(repository, expected, options.range, this.#fillSettings());
    if (seat === undefined) return undefined;
    using held = new DisposableStack();
    held.use(seat);
    asking.asked = true;
    seat.fill.head.catch((error: unknown) => this.#noteFailure(repository, key, error));
    const reader = await this.#follow(asking, seat);
    if (reader !== undefined) held.move();
    return reader;
  }

  /** Undefined: upstream refused it, but in another repository's name. */
  async #follow(
    { repository, options, asked, isUrgent }: Asking,
    seat: Seat,
  ): Promise<BlobReader | undefined> {
    const { fill } = seat;
    options.report?.(fill.isVerified && !asked ? { kind: 'hit' } : { kind: 'miss', collapsed: !asked });
    if (isUrgent) this.#parts.fills.hurry(fill);
    try {
      return await seat.open(options.signal);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (fill.failed && fill.repository !== repository) return undefined;
      throw error;
    }
  }

  async #own(asking: Asking, fill: BlobFill): Promise<void> {
    const { repository, digest } = asking;
    await this.#proveOwner(asking);
    const { size } = await this.#parts.sizes.expected(repository, digest);
    await fill.own(repository, size);
  }

  async #proveOwner(asking: Asking): Promise<void> {
    const { repository, digest, options } = asking;
    if (asking.isOwner) return;
    if (!this.#heads.has(`${repository}@${digest}`)) asking.asked = true;
    await abortable(this.#head(repository, digest), options.signal);
    asking.isOwner = true;
  }

  /** As a fill tells it. Undefined: it is another repository's business. */
  async #headOf(
    fill: BlobFill,
    repository: RepositoryName,
    signal: AbortSignal | undefined,
  ): Promise<BlobInfo | undefined> {
    if (!fill.isOwnedBy(repository)) return undefined;
    try {
      await abortable(fill.head, signal);
      return fill.infoFor(repository);
    } catch (error) {
      signal?.throwIfAborted();
      if (fill.repository === repository) throw error;
      return undefined;
    }
  }

  #fillSettings(): FillSettings {
    const { blobs, clock, links, log, random, sizes, tasks } = this.#parts;
    return {
      upstream: this.#upstream,
      store: blobs,
      clock,
      log,
      random,
      stored: async (owner, { digest, size }) => {
        sizes.settle(digest, size);
        await links.add(owner, digest, size);
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

  /** Undefined: its bytes are gone or not those that were verified. They stay where they are: by now the right ones may be there. */
  async #open(digest: Digest): Promise<OpenBlob | undefined> {
    const { blobs, log, sizes } = this.#parts;
    const verified = await sizes.verified(digest);
    const blob = await blobs.open(digest);
    if (blob === undefined || isWhole(blob, verified)) return blob;
    log.error({ digest, size: blob.size, verified }, 'a cached blob is damaged on disk: fetching it again');
    await blob[Symbol.asyncDispose]();
    return undefined;
  }

  async #stat(digest: Digest): Promise<StoredBlob | undefined> {
    const { blobs, sizes } = this.#parts;
    const verified = await sizes.verified(digest);
    const stored = await blobs.stat(digest);
    return stored !== undefined && isWhole(stored, verified) ? stored : undefined;
  }

  async #isOnHost(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const { metadata } = this.#parts;
    return (
      (await metadata.hasBlobOnHost(hostOf(repository), digest)) && (await this.#stat(digest)) !== undefined
    );
  }
}

/** Of what was stored before sizes were recorded nothing is known that would contradict it. */
function isWhole({ size }: StoredBlob, verified: number | undefined): boolean {
  return verified === undefined || size === verified;
}

async function storedReader(blob: OpenBlob, { range: spec }: BlobOptions): Promise<BlobReader> {
  try {
    const range = spec === undefined ? undefined : resolveRange(spec, blob.size);
    return {
      digest: blob.digest,
      size: blob.size,
      isVerified: true,
      range,
      body: blob.read(range),
      [Symbol.asyncDispose]: async () => await blob[Symbol.asyncDispose](),
    };
  } catch (error) {
    await blob[Symbol.asyncDispose]();
    throw error;
  }
}
