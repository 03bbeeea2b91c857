import { memoryPlan } from '#src/app/memory-plan.ts';
import { hostedPolicy } from '#src/app/policies.ts';
import type { Clock } from '#src/base/clock.ts';
import type { Log } from '#src/base/log.ts';
import type { CachePolicy } from '#src/cache/cache-parts.ts';
import { CachedRegistry } from '#src/cache/cached-registry.ts';
import { type OpenCache, openCache } from '#src/cache/open-cache.ts';
import { type Credential, staticCredentials } from '#src/credentials/credentials.ts';
import type { HostedRules } from '#src/hosted/hosted-rules.ts';
import type { Transport } from '#src/net/transport.ts';
import type { Pushes } from '#src/oci/pushes.ts';
import { type Digest, hostedHost, hostOf, type RegistryHost } from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { FallbackRegistry } from '#src/registry/fallback-registry.ts';
import { HostRegistry } from '#src/registry/host-registry.ts';
import { OfflineRegistry } from '#src/registry/offline-registry.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import type { FileSystem } from '#src/storage/file/file-system.ts';
import { putBackDiscarded } from '#src/storage/file/put-back-discarded.ts';
import { changesOf } from '#src/storage/operation.ts';
import type { Owners } from '#src/storage/owners.ts';
import type { StoreRoom } from '#src/storage/store-room.ts';
import { createUpstream, type Upstream, type UpstreamSettings } from '#src/upstream/upstream.ts';
import { type Blobs, type HostingParts, openHosting } from './hosting.ts';
import type { OpenIndex } from './open-index.ts';

export interface CompositionParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly blobs: Blobs;
  readonly index: OpenIndex;
  readonly policy: CachePolicy;
  readonly wireOf: (host: RegistryHost) => Transport & AsyncDisposable;
  /** The mirror that is asked before this registry. */
  readonly mirrorOf: (host: RegistryHost) => RegistryHost | undefined;
  readonly credentialsOf: (host: RegistryHost) => Credential;
  readonly pullTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly maxConcurrent: number;
  readonly room: StoreRoom;
  /** Of what lives here; undefined: nothing does. */
  readonly hosted: HostedRules | undefined;
}

/** Of blobs as small as those here are. Bytes. */
const worth = 20_000;

/** The store of files, with time that is handed in under whichever name it is asked for. */
export async function openFiles(
  files: FileSystem,
  clock: Clock,
  owners: Owners,
  { trash, metadata }: Pick<OpenIndex, 'trash' | 'metadata'>,
): Promise<FileBlobStore> {
  const missing = async (digest: Digest): Promise<void> => await putBackDiscarded(digest, trash, metadata);
  const options = { directory: '/cache', files, clock, now: clock.now, owners: () => owners, missing, worth };
  return await FileBlobStore.open(options);
}

/** What is simulated, put together as `src/app` does it: the one place that changes when that does. */
export interface Composition extends AsyncDisposable {
  readonly registry: Registry;
  readonly cache: OpenCache;
  readonly pushes: Pushes | undefined;
  /** Blobs that are fetched for nobody. */
  readonly abandoned: number;
}

export function compose(parts: CompositionParts): Composition {
  const { clock, log, random, blobs, index, room, hosted: rules } = parts;
  const { metadata } = index;
  const stack = new AsyncDisposableStack();
  const registries = new Map<RegistryHost, CachedRegistry>();
  const cache = openCache({
    memory: memoryPlan(Number.POSITIVE_INFINITY),
    store: { content: blobs, spools: blobs, metadata, changed() {} },
    clock,
    log,
    random,
    room,
    complete: async (job, signal) => await of(hostOf(job.repository)).complete(job, signal),
  });
  cache.takeUp();
  const of = (host: RegistryHost): CachedRegistry => {
    const known = registries.get(host) ?? opened(host);
    registries.set(host, known);
    return known;
  };
  const opened = (host: RegistryHost): CachedRegistry => {
    if (host === hostedHost)
      return new CachedRegistry(OfflineRegistry.ofHosted(), { ...parts.policy, ...hostedPolicy }, cache);
    const upstream = stack.use(upstreamOf(host, parts));
    const at = parts.mirrorOf(host);
    const mirrors = at === undefined ? [] : [stack.use(upstreamOf(at, parts, { path: '/v2', of: host }))];
    const source = mirrors.length === 0 ? upstream : new FallbackRegistry(mirrors, upstream);
    const mayRevalidate = (): boolean => mirrors.length > 0 || upstream.admitsRevalidation();
    return new CachedRegistry(source, { ...parts.policy, mayRevalidate }, cache);
  };
  const told: HostingParts['told'] = (operations) => cache.forget(changesOf(operations));
  const opening = { blobs, index, room, told, clock, log, random };
  const hosting =
    rules === undefined ? undefined : openHosting({ ...opening, rules, cached: of(hostedHost) });
  return {
    registry: new HostRegistry((host) => (host === hostedHost && hosting ? hosting.registry : of(host))),
    cache,
    pushes: hosting?.pushes,
    get abandoned() {
      return cache.fills.abandoned;
    },
    async [Symbol.asyncDispose]() {
      await hosting?.[Symbol.asyncDispose]();
      await cache[Symbol.asyncDispose]();
      await stack.disposeAsync();
    },
  };
}

function upstreamOf(
  host: RegistryHost,
  parts: CompositionParts,
  mirror?: UpstreamSettings['mirror'],
): Upstream {
  return createUpstream({
    host,
    mirror,
    credentials: staticCredentials(parts.credentialsOf(host)),
    scheme: 'https',
    userAgent: 'ociregistry/simulation',
    pullTimeoutMs: parts.pullTimeoutMs,
    connectTimeoutMs: 10_000,
    stallTimeoutMs: parts.stallTimeoutMs,
    maxConcurrent: parts.maxConcurrent,
    configured: true,
    unknownRegistries: 'public',
    clock: parts.clock,
    random: parts.random,
    onOddity: (message, fields, level = 'warn') => parts.log[level]({ upstream: host, ...fields }, message),
    wire: parts.wireOf(host),
  });
}
