import { abortable } from '../base/abortable.ts';
import { SingleFlight } from '../base/single-flight.ts';
import { isOfNoBytes } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { blobType } from '../oci/media-type.ts';
import { readerOfBytes } from '../oci/reader-of-bytes.ts';
import { contentKey, type Digest, hostOf, type RepositoryName } from '../oci/reference.ts';
import type { BlobInfo, BlobOptions, BlobReader, CallOptions, Registry } from '../oci/registry.ts';
import { BlobUnreadableError } from '../storage/content-store.ts';
import { NoRoomError } from '../storage/store-room.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import type { FillsSettings, SharedPlace, Trust } from './fills/blob-fills.ts';
import type { Fill, Seat } from './fills/fill.ts';
import { PutOffError } from './fills/put-off.ts';
import { LongWayError } from './fills/receive-whole.ts';
import { maxSmallBlob } from './memory/small-blobs.ts';
import { PromptedBlobs } from './prompted-blobs.ts';
import { StoredBlobs } from './stored-blobs.ts';

/** What was seen may be gone when it is reached for: a fill fails, a file is removed. Then it is looked for again, so often. */
const maxLooks = 8;

/** Half of the places that a registry has by default. */
const defaultMaxAbandoned = 16;

export interface Bringing {
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes have come. */
  readonly received?: ((bytes: number) => void) | undefined;
}

/** A blob that is stored by now. `size` in bytes. */
export interface Brought {
  readonly size: number;
  /** Was it before, so that nothing was fetched? */
  readonly wasHere: boolean;
}

/** One request for a blob, and what was found out for it so far. */
interface Asking {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly options: BlobOptions;
  /** When one began to look for it; see AwaitedContent. */
  readonly since: number;
  /** Does a client wait? */
  readonly isClient: boolean;
  /** Was upstream asked for this caller, if only whether the repository owns the blob? */
  asked: boolean;
  /** Has upstream said that the repository owns the blob? */
  isOwner: boolean;
  /** The last one that it was to be answered by. */
  fill: Fill | undefined;
  /** Has it failed to come whole? */
  isLongWay: boolean;
  /** Fewer, each time that upstream has refused it in another repository's name. */
  trust: Trust;
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
  readonly #stored: StoredBlobs;
  readonly #heads = new SingleFlight<string, BlobInfo>();
  readonly #fillSettings: FillsSettings;

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#upstream = new PromptedBlobs(upstream, parts);
    this.#stored = new StoredBlobs(parts, policy);
    this.#policy = policy;
    this.#parts = parts;
    this.#fillSettings = this.#settingsOfFills();
  }

  async resolve(repository: RepositoryName, digest: Digest, options: CallOptions = {}): Promise<BlobInfo> {
    const known = this.#inMemory(repository, digest);
    if (known !== undefined) {
      this.#isHit(repository, digest, options);
      return { digest, size: known.length, isVerified: true };
    }
    const { awaited } = this.#parts;
    const since = awaited.now();
    const linked = async () => await this.#linked(repository, digest, options);
    const stored = await linked();
    if (stored !== undefined) return stored;
    try {
      return await awaited.orBrought(digest, since, this.#asked(repository, digest, options), linked);
    } catch (error) {
      // As #broughtMeanwhile.
      options.signal?.throwIfAborted();
      const brought = await linked();
      if (brought === undefined) throw error;
      return brought;
    }
  }

  /** Undefined: it is not in the store for this repository. */
  async #linked(
    repository: RepositoryName,
    digest: Digest,
    { report }: CallOptions,
  ): Promise<BlobInfo | undefined> {
    if (!(await this.#parts.links.has(repository, digest))) return undefined;
    const stored = await this.#stored.stat(digest);
    if (stored !== undefined) report?.({ kind: 'hit' });
    return stored;
  }

  /** As a running fill says it, or upstream. */
  async #asked(
    repository: RepositoryName,
    digest: Digest,
    { report, signal }: CallOptions,
  ): Promise<BlobInfo> {
    const fill = this.#parts.fills.get(hostOf(repository), digest, this.#parts.caller);
    report?.({ kind: 'miss', collapsed: fill !== undefined });
    const filling = fill === undefined ? undefined : await this.#headOf(fill, repository, signal);
    return filling ?? (await abortable(this.#head(repository, digest), signal));
  }

  async get(repository: RepositoryName, digest: Digest, options: BlobOptions = {}): Promise<BlobReader> {
    const known = this.#inMemory(repository, digest);
    if (known === undefined) return await this.#find(this.#asking(repository, digest, options, true));
    const reader = readerOfBytes(digest, known, options.range);
    this.#isHit(repository, digest, options);
    return reader;
  }

  #isHit(repository: RepositoryName, digest: Digest, options: CallOptions): void {
    options.report?.({ kind: 'hit' });
    options.stands?.({ holds: () => this.#inMemory(repository, digest) !== undefined, given() {} });
  }

  /** Of what this repository owns, as far as both are known without asking anybody. */
  #inMemory(repository: RepositoryName, digest: Digest): Uint8Array | undefined {
    const { links, small } = this.#parts;
    return links.knows(repository, digest) ? small.get(digest) : undefined;
  }

  /**
   * Settles when the blob is stored for this repository, at nobody's request. What is given up meanwhile goes on as far as there is room
   * for what nobody waits for; where there is none, or none on the disk, this throws PutOffError.
   */
  async complete(repository: RepositoryName, digest: Digest, signal?: AbortSignal): Promise<void> {
    const { size } = await this.#parts.sizes.expected(repository, digest);
    if (!this.#parts.room.admits(hostOf(repository), size)) throw new PutOffError(new NoRoomError().message);
    const asking = this.#asking(repository, digest, { signal }, false);
    // Left at once: it goes on without us, and who does not read must not hold up a blob that passes through.
    await (await this.#find(asking))[Symbol.asyncDispose]();
    await abortable(asking.fill?.done ?? Promise.resolve(), signal);
    if (await this.#parts.links.has(repository, digest)) return;
    const { failure, refusal } = asking.fill ?? {};
    const isOfAll = !(refusal instanceof NoRoomError);
    const cause = failure ?? new PutOffError('the blob cannot be stored', { isOfAll, cause: refusal });
    if (cause instanceof PutOffError) throw cause;
    throw new RegistryError('UNAVAILABLE', 'the blob could not be fetched', { cause });
  }

  /**
   * Settles when the blob is stored for this repository, at the request of somebody who waits for that and for nothing else; what is stored
   * already is not asked for again, and read to its end where nobody knows whether it is right. `received` is told of bytes as they come. Throws
   * UNAVAILABLE (503) where it cannot be stored.
   */
  async bring(repository: RepositoryName, digest: Digest, bringing: Bringing): Promise<Brought> {
    for (let look = 0; look < maxLooks; look += 1) {
      const brought = await this.#bring(repository, digest, bringing);
      if (brought !== undefined) return brought;
    }
    throw lostAgain();
  }

  /** Undefined: what is here was wrong, and is no more. */
  async #bring(
    repository: RepositoryName,
    digest: Digest,
    { signal, received }: Bringing,
  ): Promise<Brought | undefined> {
    await this.#checkRoom(repository, digest);
    const asking = this.#asking(repository, digest, { signal }, true);
    await using reader = await this.#find(asking);
    const { fill } = asking;
    if (fill === undefined)
      return (await this.#isRight(reader, signal)) ? { size: reader.size ?? 0, wasHere: true } : undefined;
    const came = (bytes: number): void => {
      // Nobody wants the rest.
      if (fill.refusal instanceof NoRoomError) throw notStored(fill.refusal);
      received?.(bytes);
    };
    const size = await drained(reader, came, signal);
    await abortable(fill.done, signal);
    if (await this.#parts.links.has(repository, digest)) return { size, wasHere: false };
    throw notStored(fill.refusal ?? fill.failure);
  }

  /** What may not be stored is not fetched for nothing. */
  async #checkRoom(repository: RepositoryName, digest: Digest): Promise<void> {
    const { links, room, sizes } = this.#parts;
    const { size } = await sizes.expected(repository, digest);
    if (room.admits(hostOf(repository), size) || (await links.has(repository, digest))) return;
    if (await this.#stored.isOnHost(repository, digest)) return;
    throw notStored(new NoRoomError());
  }

  async #isRight(reader: BlobReader, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      if (reader.isVerified !== true) await drained(reader, undefined, signal);
      return true;
    } catch (error) {
      if (!(error instanceof BlobUnreadableError)) throw error;
      await this.#parts.checks.settled();
      return false;
    }
  }

  #asking(repository: RepositoryName, digest: Digest, options: BlobOptions, isClient: boolean): Asking {
    const unknown = {
      asked: false,
      isOwner: false,
      isLongWay: false,
      fill: undefined,
      trust: 'all',
    } as const;
    return { repository, digest, options, isClient, since: this.#parts.awaited.now(), ...unknown };
  }

  async #find(asking: Asking): Promise<BlobReader> {
    try {
      for (let look = 0; look < maxLooks; look += 1) {
        const reader = await this.#look(asking);
        if (reader !== undefined) return reader;
      }
    } catch (error) {
      return await this.#broughtMeanwhile(asking, error);
    }
    throw lostAgain();
  }

  /** Whoever has waited for upstream in vain is given what an import, or another process, has brought meanwhile. */
  async #broughtMeanwhile(asking: Asking, failure: unknown): Promise<BlobReader> {
    const { fill, options } = asking;
    if (fill === undefined || options.signal?.aborted === true) throw failure;
    const brought = await this.#brought(asking);
    if (brought === undefined) throw failure;
    return brought;
  }

  /** Whatever was fetched of it for this caller is not what he is given. Undefined: it is not here. */
  async #brought(asking: Asking): Promise<BlobReader | undefined> {
    const brought = await this.#fromLinked({ ...asking, asked: false });
    if (brought !== undefined) asking.fill = undefined;
    return brought;
  }

  /** Undefined: what was seen was gone when it was reached for. */
  async #look(asking: Asking): Promise<BlobReader | undefined> {
    const seat = this.#parts.fills.join(this.#placeOf(asking), asking.digest);
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
    // What was brought meanwhile needs no place.
    if (reader !== undefined && asking.fill === seat.fill) held.move();
    return reader;
  }

  async #fromStore(asking: Asking): Promise<BlobReader | undefined> {
    const { repository, digest } = asking;
    const linked = await this.#fromLinked(asking);
    if (linked !== undefined || !(await this.#stored.isOnHost(repository, digest))) return linked;
    await this.#proveOwner(asking);
    this.#inBackground(async () => await this.#parts.links.add(repository, digest));
    return await this.#fromLinked(asking);
  }

  async #fromLinked({ repository, digest, options, asked }: Asking): Promise<BlobReader | undefined> {
    const reader = await this.#stored.open(repository, digest, options);
    if (reader !== undefined) options.report?.({ kind: asked ? 'revalidated' : 'hit' });
    return reader;
  }

  async #fromUpstream(asking: Asking): Promise<BlobReader | undefined> {
    const { repository, digest } = asking;
    const { absent, fills, sizes } = this.#parts;
    const key = contentKey(repository, digest);
    absent.check(key);
    const expected = await sizes.expected(repository, digest);
    const isSmall = !asking.isLongWay && expected.size !== undefined && expected.size <= maxSmallBlob;
    const seat = fills.start(this.#placeOf(asking), expected, this.#fillSettings, isSmall);
    if (seat === undefined) return undefined;
    using held = new DisposableStack();
    held.use(seat);
    asking.asked = true;
    seat.fill.head.catch((error: unknown) => this.#noteFailure(repository, key, error));
    const reader = await this.#follow(asking, seat);
    if (reader !== undefined && asking.fill === seat.fill) held.move();
    return reader;
  }

  /**
   * As far as it is not brought before upstream gives anything. Undefined: upstream refused it, but in another repository's name; or gave it in another way than
   * one that is small comes.
   */
  async #follow(asking: Asking, seat: Seat): Promise<BlobReader | undefined> {
    const { repository, digest, options, asked, since } = asking;
    const { fill } = seat;
    asking.fill = fill;
    options.report?.(fill.isVerified && !asked ? { kind: 'hit' } : { kind: 'miss', collapsed: !asked });
    try {
      const opening = seat.open(options.signal);
      const brought = async () => await this.#brought(asking);
      return await this.#parts.awaited.orBrought(digest, since, opening, brought);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof LongWayError) {
        asking.isLongWay = true;
        return undefined;
      }
      if (!fill.failed || fill.repository === repository) throw error;
      // It has had a place in it as an owner.
      asking.isOwner = true;
      asking.trust = asking.trust === 'all' ? 'owners' : 'own';
      return undefined;
    }
  }

  async #own(asking: Asking, fill: Fill): Promise<void> {
    const { repository, digest } = asking;
    await this.#proveOwner(asking);
    const { size } = await this.#parts.sizes.expected(repository, digest);
    this.#inBackground(async () => await fill.own(repository, size));
  }

  /** What is known at once, and is still to be written: no client waits for the index. */
  #inBackground(link: () => Promise<void>): void {
    this.#parts.tasks.run('linking a blob', link);
  }

  async #proveOwner(asking: Asking): Promise<void> {
    const { repository, digest, options, since } = asking;
    const { awaited, links } = this.#parts;
    if (asking.isOwner) return;
    if (!this.#heads.has(contentKey(repository, digest))) asking.asked = true;
    const proved = abortable(this.#head(repository, digest), options.signal).then(() => true);
    const brought = async () => (await links.has(repository, digest)) || undefined;
    await awaited.orBrought(digest, since, proved, brought);
    asking.isOwner = true;
  }

  /** As a fill tells it. Undefined: it is another repository's business. */
  async #headOf(
    fill: Fill,
    repository: RepositoryName,
    signal: AbortSignal | undefined,
  ): Promise<BlobInfo | undefined> {
    if (!fill.isOwnedBy(repository)) return undefined;
    try {
      await abortable(fill.head, signal);
      return fill.infoFor(repository);
    } catch (error) {
      signal?.throwIfAborted();
      if (fill.repository === repository && !fill.isCancelled && !(error instanceof LongWayError))
        throw error;
      return undefined;
    }
  }

  #settingsOfFills(): FillsSettings {
    const { backlog, content, spools, clock, links, log, random, room, sizes, small, tasks, tell } =
      this.#parts;
    return {
      upstream: this.#upstream,
      content,
      spools,
      backlog,
      room,
      maxAbandoned: this.#policy.maxAbandoned ?? defaultMaxAbandoned,
      clock,
      log,
      random,
      stored: async (owner, { digest, size, stamp }, isHere) => {
        sizes.settle(digest, size, stamp);
        await links.add(owner, digest, isHere ? size : undefined, stamp);
        if (!isHere) return;
        const descriptor = { mediaType: blobType, digest, size };
        tell({ kind: 'fill', at: clock.now(), repository: owner, descriptor });
      },
      remember: (digest, bytes) => small.put(digest, bytes),
      closed: (tape) => tasks.run('closing a blob transfer', async () => await tape[Symbol.asyncDispose]()),
    };
  }

  /** Asks upstream whether the repository owns the blob. Its size is what we know by ourselves, else what upstream says. */
  async #head(repository: RepositoryName, digest: Digest): Promise<BlobInfo> {
    const key = contentKey(repository, digest);
    this.#parts.absent.check(key);
    return await this.#heads.run(key, async () => {
      try {
        const known = await this.#knownSize(repository, digest);
        const { size } = await this.#upstream.resolveBlob(repository, digest, {
          sizeKnown: known !== undefined,
        });
        return { digest, size: known ?? size };
      } catch (error) {
        this.#noteFailure(repository, key, error);
        throw error;
      }
    });
  }

  /** As it was verified, or by the repository's manifests, else of the bytes that are here. */
  async #knownSize(repository: RepositoryName, digest: Digest): Promise<number | undefined> {
    if (isOfNoBytes(digest)) return 0;
    const { content, sizes } = this.#parts;
    const { size } = await sizes.expected(repository, digest);
    return size ?? (await content.stat(digest))?.size;
  }

  #placeOf({ repository, options, isClient, isOwner, trust }: Asking): SharedPlace {
    return { repository, isOwner, trust, range: options.range, isClient, caller: this.#parts.caller };
  }

  #noteFailure(repository: RepositoryName, key: string, error: unknown): void {
    this.#parts.absent.note(key, error, this.#policy.negativeTtl);
    this.#parts.completer.noteFailure(hostOf(repository), error);
  }
}

function notStored(cause: unknown): RegistryError {
  const why = cause instanceof NoRoomError ? cause.message : 'the blob cannot be stored';
  return new RegistryError('UNAVAILABLE', why, { status: 503, cause });
}

function lostAgain(): RegistryError {
  return new RegistryError('UNAVAILABLE', 'the blob was lost again and again while it was asked for', {
    status: 503,
    headers: { 'Retry-After': '1' },
  });
}

/** How many bytes it had. */
async function drained(
  { body }: BlobReader,
  received: Bringing['received'],
  signal: AbortSignal | undefined,
): Promise<number> {
  let size = 0;
  for await (const { length } of body) {
    signal?.throwIfAborted();
    size += length;
    received?.(length);
  }
  return size;
}
