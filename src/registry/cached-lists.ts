import { isFresh } from '../cache/freshness.ts';
import { isAbsent } from '../cache/negative-cache.ts';
import { SingleFlight } from '../cache/single-flight.ts';
import { RegistryError } from '../oci/error.ts';
import type { Outcome } from '../oci/outcome.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { CallOptions, Descriptor, Registry } from '../oci/registry.ts';
import type { ListingRecord } from '../storage/metadata-store.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import { patiently, staleCause } from './stale.ts';

/** The pages of one walk through a list should see one list. */
const walkMs = 10_000;

/** How one kind of list is asked for, kept, and made up from the cache alone. */
interface Source<Item> {
  readonly key: string;
  readonly walkMs: number;
  readonly ask: () => Promise<readonly Item[]>;
  readonly kept: () => Promise<ListingRecord<Item> | undefined>;
  readonly keep: (record: ListingRecord<Item>) => Promise<void>;
  readonly cached: () => Promise<readonly Item[]>;
}

/** Lists of one registry: live from upstream, stale when it fails, what is cached when there is nothing else. */
export class CachedLists {
  readonly #upstream: Registry;
  readonly #policy: CachePolicy;
  readonly #parts: CacheParts;
  readonly #checks = new SingleFlight<string, readonly unknown[]>();

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#upstream = upstream;
    this.#policy = policy;
    this.#parts = parts;
  }

  async tags(repository: RepositoryName, options: CallOptions = {}): Promise<readonly Tag[]> {
    const { metadata } = this.#parts;
    return await this.#list(options, {
      key: `tags ${repository}`,
      // No tag is named: only a rule for the whole repository speaks of its list.
      walkMs: this.#policy.freshness(repository, '' as Tag) === 'always' ? 0 : walkMs,
      ask: async () => await this.#upstream.listTags(repository),
      kept: async () => await metadata.getTagList(repository),
      keep: async (record) => await metadata.putTagList(repository, record),
      cached: async () => await metadata.listTags(repository),
    });
  }

  async referrers(
    repository: RepositoryName,
    digest: Digest,
    options: CallOptions = {},
  ): Promise<readonly Descriptor[]> {
    const { metadata } = this.#parts;
    const list = this.#list(options, {
      key: `referrers ${repository}@${digest}`,
      walkMs: 0,
      ask: async () => await this.#upstream.listReferrers(repository, digest),
      kept: async () => await metadata.getReferrersList(repository, digest),
      keep: async (record) => await metadata.putReferrersList(repository, digest, record),
      cached: async () => await metadata.listReferrers(repository, digest),
    });
    // Nothing refers to it, or nobody knows the repository: to the specification both are an empty list.
    return await list.catch((error: unknown) => {
      if (isAbsent(error)) return [];
      throw error;
    });
  }

  async #list<Item>(options: CallOptions, source: Source<Item>): Promise<readonly Item[]> {
    const kept = this.#policy.offline ? undefined : await source.kept();
    if (kept !== undefined && isFresh(source.walkMs, kept.checkedAt, this.#parts.clock.now())) {
      options.report?.({ kind: 'hit' });
      return kept.items;
    }
    const cached = kept?.items ?? (await source.cached());
    options.report?.({ kind: 'miss' });
    try {
      return await this.#ask(source, cached.length > 0, options.signal);
    } catch (error) {
      options.signal?.throwIfAborted();
      const outcome = this.#fallBack(error, kept !== undefined || cached.length > 0);
      options.report?.(outcome);
      return cached;
    }
  }

  async #ask<Item>(source: Source<Item>, hasStale: boolean, signal?: AbortSignal): Promise<readonly Item[]> {
    const check = this.#checks.run(source.key, async () => {
      const items = await source.ask();
      const record = { items, checkedAt: this.#parts.clock.now() };
      this.#parts.tasks.run('storing a list', async () => await source.keep(record));
      return items;
    }) as Promise<readonly Item[]>;
    const policy = { ...this.#policy, staleIfError: this.#policy.staleIfError && hasStale };
    return await patiently(check, policy, this.#parts.clock, signal);
  }

  /** Throws the error where nothing may be served in its place. */
  #fallBack(error: unknown, hasStale: boolean): Outcome {
    if (!hasStale || !(error instanceof RegistryError)) throw error;
    if (isAbsent(error) ? this.#policy.onGone === 'notFound' : !this.#policy.staleIfError) throw error;
    return { kind: 'stale', cause: staleCause(error) };
  }
}
