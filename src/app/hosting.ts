import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Recurring } from '../base/recurring.ts';
import type { Config } from '../config/schema.ts';
import { HostedRegistry } from '../hosted/hosted-registry.ts';
import { HostedRules, type HostedSettings } from '../hosted/hosted-rules.ts';
import { openPushes } from '../hosted/open-hosted.ts';
import { UploadRooms } from '../hosted/upload-rooms.ts';
import { sweepUploads } from '../hosted/upload-sweep.ts';
import { Endpoints, hostedServed, served } from '../http/endpoints.ts';
import { type TargetSettings, targetOf } from '../http/target.ts';
import { RegistryError } from '../oci/error.ts';
import type { Pushes } from '../oci/pushes.ts';
import { hostedHost, type RepositoryName } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';
import type { Caching } from './caching.ts';
import { rulesDecide } from './door.ts';

/** Unfinished uploads are looked at a minute after the start, and then so often. Milliseconds. */
const sweeps = { firstMs: 60_000, pauseMs: 10 * 60_000 };

/** What serves and changes the repositories that live here. */
export interface Hosting extends AsyncDisposable {
  readonly registry: Registry;
  /** Undefined: nothing lives here, and nobody changes anything. */
  readonly pushes: Pushes | undefined;
  readonly endpoints: Endpoints;
  readonly repositoryNamed: (name: string) => RepositoryName | undefined;
}

export interface HostingSettings {
  readonly clock: Clock;
  readonly log: Log;
  /** As in HostedParts. */
  readonly isBeingRestored: () => boolean;
}

export function openHosting(
  config: Config,
  { store, cache, registries, retention, notifier, changed }: Caching,
  target: TargetSettings,
  { clock, log, isBeingRestored }: HostingSettings,
): Hosting {
  const { hosted } = config;
  const { content, spools, uploads, metadata, graph, inventory } = store;
  const registry = new HostedRegistry(registries.of(hostedHost), { metadata, inventory, clock });
  const repositoryNamed = namedBy(target);
  if (hosted.length === 0)
    return {
      registry,
      pushes: undefined,
      endpoints: new Endpoints(),
      repositoryNamed,
      async [Symbol.asyncDispose]() {},
    };
  const rules = new HostedRules(rulesDecide(config) ? hosted.map(openToRules) : hosted);
  const { room } = retention ?? cache;
  const randomHex = (bytes: number): string => randomBytes(bytes).toString('hex');
  const uploadRooms = new UploadRooms(room);
  const kept = { content, spools, uploads, metadata, graph };
  const telling = { told: changed, queued: notifier?.queued, isBeingRestored };
  const parts = { ...kept, ...telling, rules, room, uploadRooms, clock, randomHex };
  const sweep = new Recurring(
    'dropping unfinished uploads',
    sweeps,
    async (signal) => await sweepUploads(parts, signal),
    { clock, log },
  );
  return {
    registry,
    pushes: openPushes(parts),
    endpoints: new Endpoints([...served, ...hostedServed]),
    repositoryNamed,
    [Symbol.asyncDispose]: async () => await sweep[Symbol.asyncDispose](),
  };
}

/** Who may is asked at the door. */
function openToRules(settings: HostedSettings): HostedSettings {
  return { ...settings, open: true };
}

/** What is no name is none that anything could be taken from. */
function namedBy(target: TargetSettings): Hosting['repositoryNamed'] {
  return (name) => {
    try {
      return targetOf(name, { header: undefined, ns: undefined }, target);
    } catch (error) {
      if (error instanceof RegistryError) return undefined;
      throw error;
    }
  };
}
