import { Expiring } from '#src/base/expiring.ts';
import type { Log } from '#src/base/log.ts';
import { TaskSet } from '#src/base/task-set.ts';
import type { CacheParts, CachePolicy } from '#src/cache/cache-parts.ts';
import { CachedRegistry } from '#src/cache/cached-registry.ts';
import { Completer } from '#src/cache/completion/completer.ts';
import { Backlog } from '#src/cache/fills/backlog.ts';
import { BlobFills } from '#src/cache/fills/blob-fills.ts';
import { AskedManifests } from '#src/cache/memory/asked-manifests.ts';
import { BlobLinks } from '#src/cache/memory/blob-links.ts';
import { BlobSizes } from '#src/cache/memory/blob-sizes.ts';
import { DoubtedDigests } from '#src/cache/memory/doubted-digests.ts';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { ListKeeping } from '#src/cache/memory/list-keeping.ts';
import { ManifestCache } from '#src/cache/memory/manifest-cache.ts';
import { NegativeCache } from '#src/cache/memory/negative-cache.ts';
import { TagWalks } from '#src/cache/memory/tag-walks.ts';
import { UseLog } from '#src/cache/memory/use-log.ts';
import type { Outcome } from '#src/oci/outcome.ts';
import { parseRegistryHost, type RepositoryName, repositoryName } from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import type { BlobStore } from '#src/storage/blob-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { FakeClock } from './fake-clock.ts';
import { LogLines } from './log-lines.ts';
import { ScriptedRegistry } from './scripted-registry.ts';

export interface CacheOptions {
  readonly policy?: Partial<CachePolicy>;
  readonly blobs?: BlobStore;
  readonly metadata?: MetadataStore;
  readonly log?: Log;
  readonly upstream?: Registry;
}

/** A cached registry over stores in memory and a scripted upstream, with time in the test's hand. */
export class CacheUnderTest implements AsyncDisposable {
  readonly content = new MemoryRegistry();
  readonly clock = new FakeClock();
  readonly upstream: ScriptedRegistry;
  readonly registry: CachedRegistry;
  readonly parts: CacheParts;
  readonly reporting = {
    report: (outcome: Outcome) => {
      this.#last = outcome;
    },
  };
  #last: Outcome | undefined;

  constructor(options: CacheOptions = {}) {
    const {
      log = new LogLines(),
      blobs = new MemoryBlobStore(),
      metadata = SqliteMetadataStore.inMemory(),
    } = options;
    const { clock } = this;
    const tasks = new TaskSet(log);
    const fills = new BlobFills(clock, log);
    const sizes = new BlobSizes(metadata);
    const backlog = new Backlog(clock);
    this.upstream = new ScriptedRegistry(options.upstream ?? this.content);
    this.parts = {
      blobs,
      metadata,
      clock,
      log,
      tasks,
      fills,
      backlog,
      random: () => 0.5,
      manifests: new ManifestCache({ blobs, metadata, sizes, backlog, tasks, clock, log, changed() {} }),
      links: new BlobLinks(metadata, log),
      sizes,
      asked: new AskedManifests(clock),
      absent: new NegativeCache(clock),
      resting: new Expiring(clock, 1000),
      doubted: new DoubtedDigests(),
      walks: new TagWalks(clock),
      keeping: new ListKeeping(tasks),
      uses: new UseLog(metadata, clock, tasks),
      completer: new Completer({
        work: async (job, signal) => await this.registry.complete(job, signal),
        isBusy: (host) => fills.isBusy(host),
        clock,
        log,
      }),
    };
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

  /** Lets background work (stores, fills) come to rest. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.parts.fills[Symbol.asyncDispose]();
    await this.parts.completer[Symbol.asyncDispose]();
    await this.parts.uses[Symbol.asyncDispose]();
    await this.parts.tasks[Symbol.asyncDispose]();
  }
}

export function repository(text: string): RepositoryName {
  const slash = text.indexOf('/');
  return repositoryName(parseRegistryHost(text.slice(0, slash)), text.slice(slash + 1));
}
