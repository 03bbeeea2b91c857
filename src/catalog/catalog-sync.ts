import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Recurring } from '../base/recurring.ts';
import { RegistryError } from '../oci/error.ts';
import { type Digest, hostOf, type RegistryHost, type RepositoryName, type Tag } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { noteProgress } from '../storage/operation.ts';
import { FailingRegistries } from './failing-registries.ts';
import type { SyncResult, SyncTally } from './sync-tally.ts';

/** A registry behind its cache. */
interface SyncedRegistry extends Pick<Registry, 'listTags'> {
  /** Asks upstream where a tag points, and fetches what it points at. Throws what upstream answers. */
  refresh(
    repository: RepositoryName,
    tag: Tag,
  ): Promise<{ readonly was: Digest | undefined; readonly digest: Digest }>;
}

export interface CatalogSyncParts {
  readonly metadata: Pick<
    MetadataStore,
    'listRepositories' | 'listTags' | 'getTag' | 'getProgress' | 'change'
  >;
  readonly registryOf: (host: RegistryHost) => SyncedRegistry;
  /** May the registry be asked now about what is cached? Not while it lets us ask so little that it is kept for what is not. */
  readonly mayAsk: (host: RegistryHost) => boolean;
  /** Which repositories are compared. */
  readonly matches: (repository: RepositoryName) => boolean;
  /** From the end of a pass to the next. Milliseconds. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  readonly tally: SyncTally;
}

/** How it is called where it is noted how far it has come. */
const walk = 'catalog sync';
/** A start has better things to do; and servers that start together do not ask together. Milliseconds. */
const firstMs = 60_000;
/** Between two repositories, half of it on average. Milliseconds. */
const pauseMs = 1000;
/** Repositories that are looked up in one go. */
const pageSize = 100;
/** Tags that are asked about at a time. */
const width = 2;
/** So much longer or shorter a pause is. */
const jitter = 0.1;

/**
 * Compares the cached repositories that match with their registries, over and over: whether each cached tag still points where it did (one HEAD), and the list
 * of tags that is kept for an outage. What has moved is fetched; what is gone is recorded and told. Begun where an earlier process was. Disposing ends it.
 */
export class CatalogSync implements AsyncDisposable {
  readonly #parts: CatalogSyncParts;
  readonly #passes: Recurring;

  constructor(parts: CatalogSyncParts) {
    const { random, everyMs } = parts;
    this.#parts = parts;
    this.#passes = new Recurring(
      'comparing the cache with its registries',
      {
        firstMs: firstMs * (1 + random()),
        pauseMs: () => everyMs * (1 - jitter + 2 * jitter * random()),
      },
      async (signal) => await this.#pass(signal),
      parts,
    );
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { metadata, matches, clock, log, random, tally } = this.#parts;
    const before = { ...tally };
    const failing = new FailingRegistries();
    let repositories = 0;
    for (let last = await metadata.getProgress(walk); ; ) {
      const page = await metadata.listRepositories({ last, limit: pageSize });
      for (const repository of page) {
        if (!matches(repository) || !this.#mayAsk(repository, failing)) continue;
        await this.#compare(repository, failing, signal);
        repositories += 1;
        await metadata.change([noteProgress(walk, repository)]);
        await clock.sleep(pauseMs * random(), signal);
      }
      last = page.at(-1);
      if (page.length < pageSize) break;
    }
    await metadata.change([noteProgress(walk, undefined)]);
    log.info(
      { repositories, ...since(tally, before) },
      'cached repositories were compared with their registries',
    );
  }

  #mayAsk(repository: RepositoryName, failing: FailingRegistries): boolean {
    const host = hostOf(repository);
    return !failing.has(host) && this.#parts.mayAsk(host);
  }

  async #compare(repository: RepositoryName, failing: FailingRegistries, signal: AbortSignal): Promise<void> {
    const host = hostOf(repository);
    const registry = this.#parts.registryOf(host);
    // Read whole, it is kept.
    await registry.listTags(repository, { signal }).catch((error: unknown) => unlessOurs(error, signal));
    const tags = await this.#parts.metadata.listTags(repository);
    let failed = 0;
    for (let at = 0; at < tags.length; at += width) {
      if (!this.#mayAsk(repository, failing)) return;
      const results = await Promise.all(
        tags
          .slice(at, at + width)
          .map(async (tag) => await this.#refresh(registry, repository, tag, failing)),
      );
      failed = results.every((result) => result === 'failed') ? failed + 1 : 0;
      if (failed >= failing.enough) break;
      signal.throwIfAborted();
    }
    failing.note(host, failed >= failing.enough);
  }

  async #refresh(
    registry: SyncedRegistry,
    repository: RepositoryName,
    tag: Tag,
    failing: FailingRegistries,
  ): Promise<SyncResult | undefined> {
    const { metadata, log, tally } = this.#parts;
    // It may have been removed meanwhile, and is not to come back by being compared.
    if ((await metadata.getTag(repository, tag)) === undefined) return undefined;
    const result = await this.#asked(registry, repository, tag, failing);
    tally[result] += 1;
    if (result === 'gone') log.info({ repository, tag }, 'a cached tag is not in its registry any more');
    if (result === 'moved') log.info({ repository, tag }, 'a cached tag has moved: it was fetched');
    return result;
  }

  async #asked(
    registry: SyncedRegistry,
    repository: RepositoryName,
    tag: Tag,
    failing: FailingRegistries,
  ): Promise<SyncResult> {
    try {
      const { was, digest } = await registry.refresh(repository, tag);
      return was === digest ? 'unchanged' : 'moved';
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.status === 404) return 'gone';
      if (error.status === 429) failing.limited(hostOf(repository));
      this.#parts.log.debug({ err: error, repository, tag }, 'a cached tag cannot be compared');
      return 'failed';
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#passes[Symbol.asyncDispose]();
  }
}

/** What a registry answers is no reason to stop. */
function unlessOurs(error: unknown, signal: AbortSignal): void {
  signal.throwIfAborted();
  if (!(error instanceof RegistryError)) throw error;
}

function since(
  now: Readonly<Record<SyncResult, number>>,
  before: Readonly<Record<SyncResult, number>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(now).map(([result, count]) => [result, count - before[result as SyncResult]]),
  );
}
