import { abortable } from '../base/abortable.ts';
import { SingleFlight } from '../base/single-flight.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isIndex } from '../oci/manifest.ts';
import type { Outcome } from '../oci/outcome.ts';
import {
  contentKey,
  type Digest,
  isDigest,
  type Reference,
  type RepositoryName,
  type Tag,
} from '../oci/reference.ts';
import type { CallOptions, Manifest, Registry, Standing } from '../oci/registry.ts';
import type { TagRecord } from '../storage/records.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import { referrersMs } from './cached-referrers.ts';
import { blobsOf, type CompletionJob, keyOf as keyOfJob } from './completion/completion-job.ts';
import { type Kept, keyOf, ManifestSource, type TagAnswer } from './manifest-source.ts';
import { isFresh } from './memory/freshness.ts';
import { tagKey } from './memory/known-tags.ts';
import { isAbsent } from './memory/negative-cache.ts';
import { patiently, staleCause } from './stale.ts';

/** After upstream failed for a tag, the stale copy is served without asking for so long. Milliseconds. */
const restMs = 2000;

interface Described {
  readonly descriptor: Descriptor;
  readonly outcome: Outcome;
  readonly kept?: Kept;
}

interface Found extends Described {
  readonly manifest: Manifest;
}

/** Where a tag pointed, and where it points now. */
export interface Refreshed {
  readonly was: Digest | undefined;
  readonly digest: Digest;
}

/**
 * Manifests of one registry: from the cache, else from upstream once for all who ask; tags by their freshness. A HEAD of a tag
 * costs a HEAD, since a GET may count as a pull; one by digest costs a GET, since whoever asks for a digest pulls it next.
 */
export class CachedManifests {
  readonly #policy: CachePolicy;
  readonly #parts: CacheParts;
  readonly #source: ManifestSource;
  readonly #checks = new SingleFlight<string, Found>(({ kept }) => kept);

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#policy = policy;
    this.#parts = parts;
    this.#source = new ManifestSource(upstream, policy, parts);
  }

  async resolve(
    repository: RepositoryName,
    reference: Reference,
    options: CallOptions = {},
  ): Promise<Descriptor> {
    const known = this.#inMemory(repository, reference);
    if (known !== undefined) {
      options.report?.({ kind: 'hit' });
      options.stands?.(this.#standing(repository, reference, known.descriptor, false));
      return known.descriptor;
    }
    const { descriptor, outcome, kept } = isDigest(reference)
      ? await this.#byDigest(repository, reference, options)
      : await this.#describeTag(repository, reference, options);
    if (kept !== undefined) await abortable(kept, options.signal);
    options.report?.(outcome);
    return descriptor;
  }

  async get(repository: RepositoryName, reference: Reference, options: CallOptions = {}): Promise<Manifest> {
    const known = this.#inMemory(repository, reference);
    const { manifest, outcome, kept } =
      known === undefined ? await this.#find(repository, reference, options) : found(known, { kind: 'hit' });
    const { room, descriptor } = manifest;
    if (room !== undefined) options.holds?.(room.share());
    if (kept !== undefined) await abortable(kept, options.signal);
    options.report?.(outcome);
    this.#serving(repository, descriptor.digest, descriptor.mediaType)();
    if (known !== undefined) options.stands?.(this.#standing(repository, reference, descriptor, true));
    return manifest;
  }

  /**
   * Asks upstream where a tag points, however fresh it is, and fetches what it points at; nobody is served by that. Settles when it is stored, or
   * cannot be in time. `was`: where it pointed before. Throws what upstream answers.
   */
  async refresh(repository: RepositoryName, tag: Tag): Promise<Refreshed> {
    const before = await this.#parts.manifests.findTag(repository, tag);
    const answer = await this.#source.askAnew(repository, tag);
    const { manifest, kept } = await this.#source.follow(repository, tag, answer);
    await kept;
    const { digest } = manifest.descriptor;
    return { was: before?.descriptor.digest, digest };
  }

  mayHave(repository: RepositoryName, tag: Tag): void {
    this.#parts.absent.forget(keyOf(repository, tag));
  }

  async #find(repository: RepositoryName, reference: Reference, options: CallOptions): Promise<Found> {
    return isDigest(reference)
      ? await this.#byDigest(repository, reference, options)
      : await this.#byTag(repository, reference, options);
  }

  /** What is fresh, as far as that is known without asking anybody. */
  #inMemory(repository: RepositoryName, reference: Reference): Manifest | undefined {
    const { manifests } = this.#parts;
    if (isDigest(reference)) return manifests.known(repository, reference);
    const record = manifests.knownTag(repository, reference);
    if (record === undefined || !this.#isFresh(repository, record)) return undefined;
    return manifests.known(repository, record.descriptor.digest);
  }

  /** It holds nothing that memory has only to be fast. */
  #standing(
    repository: RepositoryName,
    reference: Reference,
    { digest, mediaType }: Descriptor,
    isPull: boolean,
  ): Standing {
    const { manifests } = this.#parts;
    const key = contentKey(repository, digest);
    const leadsHere = isDigest(reference) ? () => true : this.#leading(repository, reference, digest);
    return {
      holds: () =>
        leadsHere() && manifests.known(repository, digest, key)?.descriptor.mediaType === mediaType,
      given: isPull ? this.#serving(repository, digest, mediaType, key) : () => {},
    };
  }

  /** Is the tag fresh, and does it lead to this digest? To be asked again and again. */
  #leading(repository: RepositoryName, tag: Tag, digest: Digest): () => boolean {
    const { manifests } = this.#parts;
    const freshness = this.#policy.freshness(repository, tag);
    const key = tagKey(repository, tag);
    return () => {
      const record = manifests.knownTag(repository, tag, key);
      return record?.descriptor.digest === digest && this.#isFresh(repository, record, freshness);
    };
  }

  async #byDigest(repository: RepositoryName, digest: Digest, options: CallOptions): Promise<Found> {
    const since = this.#parts.awaited.now();
    const manifest = await this.#parts.manifests.find(repository, digest);
    if (manifest !== undefined) return found(manifest, { kind: 'hit' });
    return await this.#fill(repository, digest, since, options);
  }

  async #byTag(repository: RepositoryName, tag: Tag, options: CallOptions): Promise<Found> {
    const since = this.#parts.awaited.now();
    const record = await this.#parts.manifests.findTag(repository, tag);
    if (record === undefined) return await this.#fill(repository, tag, since, options);
    if (this.#isFresh(repository, record)) {
      return await this.#byDigest(repository, record.descriptor.digest, options);
    }
    return await this.#revalidate(repository, record, options, async () => {
      return await this.#checks.run(
        keyOf(repository, tag),
        async () => await this.#check(repository, record),
      );
    });
  }

  async #describeTag(repository: RepositoryName, tag: Tag, options: CallOptions): Promise<Described> {
    const since = this.#parts.awaited.now();
    const record = await this.#parts.manifests.findTag(repository, tag);
    if (record === undefined) return await this.#describeCold(repository, tag, since, options);
    if (this.#isFresh(repository, record)) {
      return await this.#byDigest(repository, record.descriptor.digest, options);
    }
    return await this.#revalidate(repository, record, options, async () => {
      return await this.#describeOld(repository, record, options);
    });
  }

  /** Across an air gap nobody can be asked. */
  #isFresh(
    repository: RepositoryName,
    { tag, checkedAt }: TagRecord,
    freshness = this.#policy.freshness(repository, tag),
  ): boolean {
    if (this.#policy.offline) return true;
    return isFresh(freshness, checkedAt, this.#parts.clock.now());
  }

  /** One GET upstream for all who ask meanwhile; it outlives each of them. */
  async #fill(
    repository: RepositoryName,
    reference: Reference,
    since: number,
    options: CallOptions,
  ): Promise<Found> {
    options.report?.({ kind: 'hit' });
    this.#parts.absent.check(keyOf(repository, reference));
    const collapsed = this.#source.isFetching(repository, reference);
    options.report?.({ kind: 'miss', collapsed });
    const fetching = abortable(this.#source.fetch(repository, reference), options.signal);
    const given = await this.#orBrought(repository, reference, since, fetching);
    if (given === 'brought') return await this.#find(repository, reference, options);
    return found(given.manifest, { kind: 'miss', collapsed }, given.kept);
  }

  /** A HEAD; a GET only where one is under way, or where upstream has announced this digest before and did not have it. */
  async #describeCold(
    repository: RepositoryName,
    tag: Tag,
    since: number,
    options: CallOptions,
  ): Promise<Described> {
    if (this.#source.isFetching(repository, tag)) return await this.#fill(repository, tag, since, options);
    options.report?.({ kind: 'hit' });
    this.#parts.absent.check(keyOf(repository, tag));
    const collapsed = this.#source.isAsking(repository, tag);
    options.report?.({ kind: 'miss', collapsed });
    const asking = abortable(this.#source.ask(repository, tag), options.signal);
    const answer = await this.#orBrought(repository, tag, since, asking);
    if (answer === 'brought') return await this.#describeTag(repository, tag, options);
    const { descriptor, manifest, kept } = answer;
    if (manifest === undefined && this.#source.isWrong(repository, descriptor.digest)) {
      return await this.#fill(repository, tag, since, options);
    }
    return { descriptor, outcome: { kind: 'miss', collapsed }, kept };
  }

  /** What upstream gives, unless an import or another process has brought before what is waited for: then it is looked for again, as by who comes now. */
  async #orBrought<Value>(
    repository: RepositoryName,
    reference: Reference,
    since: number,
    work: Promise<Value>,
  ): Promise<Value | 'brought'> {
    const { awaited, manifests } = this.#parts;
    const key = isDigest(reference) ? contentKey(repository, reference) : tagKey(repository, reference);
    return await awaited.orBrought<Value | 'brought'>(key, since, work, async () => {
      const here = isDigest(reference)
        ? await manifests.find(repository, reference)
        : await manifests.findTag(repository, reference);
      return here && 'brought';
    });
  }

  async #revalidate<Answer extends Described>(
    repository: RepositoryName,
    record: TagRecord,
    options: CallOptions,
    ask: () => Promise<Answer>,
  ): Promise<Answer | Found> {
    if (options.neverStale === true) return await this.#asked(ask, options);
    const key = keyOf(repository, record.tag);
    const unasked = this.#parts.resting.get(key) ?? this.#spared();
    if (unasked !== undefined) return await this.#stale(repository, record, unasked, options);
    options.report?.({ kind: 'miss' });
    try {
      return await patiently(ask(), this.#policy, this.#parts.clock, options.signal);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (isAbsent(error) ? this.#policy.onGone === 'notFound' : !this.#policy.staleIfError) throw error;
      const cause = staleCause(error);
      this.#parts.log.warn(
        { err: error, request: options.request, repository, tag: record.tag },
        `serving a stale tag: ${cause}`,
      );
      this.#parts.resting.set(key, cause, restMs);
      return await this.#stale(repository, record, cause, options);
    }
  }

  async #asked<Answer>(ask: () => Promise<Answer>, { signal, report }: CallOptions): Promise<Answer> {
    report?.({ kind: 'miss' });
    return await abortable(ask(), signal);
  }

  /** What is left of upstream's quota is for misses; where nothing stale may be served this is one. */
  #spared(): string | undefined {
    const { staleIfError, mayRevalidate } = this.#policy;
    return staleIfError && mayRevalidate?.() === false ? 'upstream quota is low' : undefined;
  }

  /** A HEAD, unless one was answered lately; a GET only if the digest moved to one that is not cached. */
  async #check(repository: RepositoryName, record: TagRecord): Promise<Found> {
    const { tag } = record;
    const answer = this.#source.lately(repository, tag) ?? (await this.#source.ask(repository, tag));
    return await this.#follow(repository, record, answer);
  }

  async #follow(repository: RepositoryName, record: TagRecord, answer: TagAnswer): Promise<Found> {
    const here = answered(record, answer);
    if (here !== undefined) return here;
    const collapsed = this.#source.isFetching(repository, answer.descriptor.digest);
    const { manifest, kept } = await this.#source.follow(repository, record.tag, answer);
    return found(manifest, { kind: 'miss', collapsed }, kept);
  }

  /**
   * A HEAD alone, so that what it announces is not here yet. Where a GET would most likely be served the cached copy instead, this
   * asks for the manifest as that GET does: both are told the same.
   */
  async #describeOld(
    repository: RepositoryName,
    record: TagRecord,
    { neverStale = false }: CallOptions,
  ): Promise<Described> {
    const key = keyOf(repository, record.tag);
    if (this.#checks.has(key))
      return await this.#checks.run(key, async () => await this.#check(repository, record));
    const answer = await this.#source.ask(repository, record.tag);
    const here = answered(record, answer);
    if (here !== undefined) return here;
    const unasked = neverStale ? undefined : this.#spared();
    if (unasked !== undefined) return await this.#stale(repository, record, unasked, {});
    const { descriptor } = answer;
    if (this.#source.mayAnnounce(repository, descriptor.digest))
      return { descriptor, outcome: { kind: 'miss' } };
    return await this.#checks.run(key, async () => await this.#follow(repository, record, answer));
  }

  /** The cached copy as it is by now: another may have brought a newer one meanwhile. */
  async #stale(
    repository: RepositoryName,
    { tag, descriptor }: TagRecord,
    cause: string,
    options: CallOptions,
  ): Promise<Found> {
    const record = await this.#parts.manifests.findTag(repository, tag);
    const digest = record?.descriptor.digest ?? descriptor.digest;
    const { manifest } = await this.#byDigest(repository, digest, options);
    const isFresh = record !== undefined && this.#isFresh(repository, record);
    return found(manifest, isFresh ? { kind: 'hit' } : { kind: 'stale', cause });
  }

  /** What is done when it is served, each time. `key`: {@link contentKey} of both. */
  #serving(
    repository: RepositoryName,
    digest: Digest,
    mediaType: string,
    key = contentKey(repository, digest),
  ): () => void {
    const { uses, completer } = this.#parts;
    const { complete } = this.#policy;
    const blobs = blobsOf(repository, digest);
    const referrers: CompletionJob = { kind: 'referrers', repository, reference: digest };
    const [blobsKey, referrersKey] = [keyOfJob(blobs), keyOfJob(referrers)];
    const hasBlobs = complete !== false && !isIndex(mediaType);
    return () => {
      uses.note(repository, digest, key);
      if (hasBlobs) completer.once(blobs, undefined, blobsKey);
      // Signatures are at the index, attestations also at its manifests.
      if (complete === 'referrers') completer.once(referrers, referrersMs, referrersKey);
    };
  }
}

function found(manifest: Manifest, outcome: Outcome, kept?: Kept): Found {
  return { descriptor: manifest.descriptor, manifest, outcome, kept };
}

/** Undefined: upstream announces what is not here. */
function answered({ descriptor }: TagRecord, { manifest, wasRead, kept }: TagAnswer): Found | undefined {
  if (manifest === undefined) return undefined;
  const isMiss = wasRead && manifest.descriptor.digest !== descriptor.digest;
  return found(manifest, isMiss ? { kind: 'miss' } : { kind: 'revalidated' }, kept);
}
