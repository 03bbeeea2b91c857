import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { type OpenCache, openCache } from '../cache/open-cache.ts';
import { SyncTally } from '../catalog/sync-tally.ts';
import type { Config } from '../config/schema.ts';
import { NameLookups } from '../net/dial/name-lookups.ts';
import { SocketLimit } from '../net/dial/socket-limit.ts';
import { TlsTrust } from '../net/dial/tls-trust.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { Prometheus } from '../observe/prometheus.ts';
import { hostOf } from '../oci/reference.ts';
import { lookupThreads } from '../process/thread-pool.ts';
import type { Operation } from '../storage/operation.ts';
import { tellerOf } from './index-changes.ts';
import { memoryPlan } from './memory-plan.ts';
import { openMetrics } from './metrics.ts';
import { type Dialling, openNotifying } from './notifying.ts';
import type { FilePlan } from './open-files.ts';
import { ownMark } from './own-mark.ts';
import { Registries } from './registries.ts';
import { openRetention, type Retention } from './retention.ts';
import { openStore, type Store } from './store.ts';

export interface CachingParts {
  readonly files: FilePlan;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  readonly env: NodeJS.ProcessEnv;
  /** Told what takes long, in words. */
  readonly says: (what: string) => void;
  /** Is what belongs to served images fetched in the background? */
  readonly completes: boolean;
  /** As {@link StoreSettings.rebuilds}. */
  readonly rebuilds?: boolean;
}

/** The cache with its store before it and its registries behind it. Disposing it waits for what is still to be stored. */
export interface Caching extends AsyncDisposable {
  readonly store: Store;
  readonly cache: OpenCache;
  readonly registries: Registries;
  /** To be told what is changed in the index beside the cache. */
  readonly changed: (operations: readonly Operation[]) => void;
  /** Undefined: nothing can be removed. */
  readonly retention: Retention | undefined;
  /** Undefined: no port of metrics is configured. */
  readonly prometheus: Prometheus | undefined;
  /** Undefined: nobody is told of anything. */
  readonly notifier: Notifier | undefined;
  /** How others than registries are reached. */
  readonly dialling: Dialling;
  /** What became of tags that were compared with their registries. */
  readonly synced: SyncTally;
}

/** Of a limit so much may be halves of blobs. */
const keptShare = 0.1;

/** Puts it together in the one way that there is: for a server, and for whoever fills its directory. Throws what keeps the directory from being used. */
export async function openCaching(config: Config, parts: CachingParts): Promise<Caching> {
  const { files, clock, log, random, env, version, completes } = parts;
  await using stack = new AsyncDisposableStack();
  const memory = memoryPlan();
  const { says, rebuilds } = parts;
  const keptBytes = config.cache.maxSize === 0 ? undefined : config.cache.maxSize * keptShare;
  const store = stack.use(
    await openStore(config.imagePath, {
      ...{ memory, files, keptBytes, clock, log, says, rebuilds },
      putsAside: completes || rebuilds === true,
    }),
  );
  const names = new NameLookups({ clock, log, threads: lookupThreads(process.env) });
  const sockets = new SocketLimit(files.sockets, files.questions);
  const trust = new TlsTrust(undefined, { clock, log });
  const mark = ownMark(config);
  const userAgent = `ociregistry/${version}${mark === undefined ? '' : ` (${mark})`}`;
  const dialling = { names, sockets, trust, userAgent, env };
  const notifier = stack.use(openNotifying(config, { store, dialling, clock, log, random }));
  const tell = notifier?.tell;
  // Whoever removes is made before what he tells.
  const changed = (operations: readonly Operation[]): void => tellerOf(store, cache)(operations);
  const retention = openRetention({ config, store, clock, log, changed, tell });
  const cache = openCache({
    ...{ store, memory, files, clock, log, random, room: retention?.room, tell },
    complete: async (job, signal) =>
      completes ? await registries.of(hostOf(job.repository)).complete(job, signal) : [],
  });
  if (completes) cache.takeUp();
  else retention?.keepLimits();
  const synced = new SyncTally();
  const prometheus = await openMetrics({
    ...{ config, version },
    parts: cache,
    inventory: store.inventory,
    retention,
    quotas: () => registries.quotas(),
    lookupsHung: () => names.hung,
    notified: async () => (await notifier?.states()) ?? [],
    synced: () => ({ ...synced }),
  });
  const observer = prometheus?.observer;
  const registries = stack.use(new Registries({ ...dialling, config, parts: cache, memory, observer }));
  stack.use(cache);
  stack.use(retention);
  const opened = stack.move();
  return {
    ...{ store, cache, registries, prometheus, retention, notifier, synced, changed, dialling },
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}
