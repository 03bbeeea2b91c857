import type { Log } from '#src/base/log.ts';
import type { CacheParts, CachePolicy } from '#src/cache/cache-parts.ts';
import { CachedRegistry } from '#src/cache/cached-registry.ts';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { type OpenCache, openCache } from '#src/cache/open-cache.ts';
import type { Tell } from '#src/observe/content-event.ts';
import type { Outcome } from '#src/oci/outcome.ts';
import { parseRegistryHost, type RepositoryName, repositoryName } from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import type { ContentStore } from '#src/storage/content-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import { changesOf, type Operation } from '#src/storage/operation.ts';
import type { SpoolStore } from '#src/storage/spool-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import type { StoreRoom } from '#src/storage/store-room.ts';
import { FakeClock } from './fake-clock.ts';
import { LogLines } from './log-lines.ts';
import { ScriptedRegistry } from './scripted-registry.ts';

const mebibyte = 1024 * 1024;

export interface CacheOptions {
  readonly policy?: Partial<CachePolicy>;
  readonly blobs?: ContentStore & SpoolStore;
  readonly metadata?: MetadataStore;
  readonly log?: Log;
  readonly upstream?: Registry;
  readonly room?: StoreRoom;
  readonly tell?: Tell;
}

/** A cached registry over stores in memory and a scripted upstream, with time in the test's hand. */
export class CacheUnderTest implements AsyncDisposable {
  readonly content = new MemoryRegistry();
  readonly clock = new FakeClock();
  readonly upstream: ScriptedRegistry;
  readonly registry: CachedRegistry;
  readonly parts: CacheParts;
  readonly blobs: ContentStore & SpoolStore;
  /** As it is written in the end. */
  readonly log: Log;
  readonly reporting = {
    report: (outcome: Outcome) => {
      this.#last = outcome;
    },
  };
  readonly #cache: OpenCache;
  #last: Outcome | undefined;

  constructor(options: CacheOptions = {}) {
    const {
      log = new LogLines(),
      blobs = new MemoryBlobStore(),
      metadata = SqliteMetadataStore.inMemory(),
    } = options;
    const { clock } = this;
    this.blobs = blobs;
    this.log = log;
    this.upstream = new ScriptedRegistry(options.upstream ?? this.content);
    this.#cache = openCache({
      store: { content: blobs, spools: blobs, metadata, changed() {} },
      memory: { manifests: 64 * mebibyte, lists: 32 * mebibyte },
      clock,
      log,
      random: () => 0.5,
      room: options.room,
      tell: options.tell,
      complete: async (job, signal) => await this.registry.complete(job, signal),
    });
    this.parts = this.#cache;
    const policy: CachePolicy = {
      freshness: freshnessPolicy([], 'immutable'),
      staleIfError: true,
      staleDeadline: 2000,
      onGone: 'serve',
      negativeTtl: 10_000,
      complete: false,
      offline: false,
      ...options.policy,
    };
    this.registry = new CachedRegistry(this.upstream, policy, this.parts);
  }

  /** How the last call with `reporting` was answered. */
  get outcome(): Outcome | undefined {
    return this.#last;
  }

  /** As an import does it beside the cache. */
  async change(operations: readonly Operation[]): Promise<void> {
    await this.parts.metadata.change(operations);
    this.#cache.forget(changesOf(operations));
  }

  /** Lets background work (stores, fills) come to rest. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cache[Symbol.asyncDispose]();
  }
}

export function repository(text: string): RepositoryName {
  const slash = text.indexOf('/');
  return repositoryName(parseRegistryHost(text.slice(0, slash)), text.slice(slash + 1));
}
