import { Administration } from '../admin/administration.ts';
import { AdminCredential } from '../admin/credential.ts';
import { Guard } from '../admin/guard.ts';
import type { BlobsOf } from '../admin/image-lists.ts';
import type { RecentFailures } from '../admin/recent-failures.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { contentOf, StoredManifests } from '../cache/memory/stored-manifests.ts';
import type { Config } from '../config/schema.ts';
import { hostOf } from '../oci/reference.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { Caching } from './caching.ts';
import { imageNamed } from './image-name.ts';
import type { Store } from './store.ts';
import { targetSettings } from './target-settings.ts';

export interface AdministrationParts {
  readonly failures: RecentFailures;
  readonly stop: (by: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** The calls below `/cmd`, over the cache of a server. */
export function openAdministration(
  config: Config,
  { store, cache, registries, retention }: Caching,
  { clock, log, ...parts }: AdministrationParts,
): Administration {
  const { user, password, token } = config.admin;
  const credential = AdminCredential.of({ user, password: password?.reveal(), token: token?.reveal() });
  const publicUrl = config.publicUrl === '' ? undefined : new URL(config.publicUrl);
  const target = targetSettings(config);
  return new Administration({
    guard: new Guard({ credential, publicUrl, clock }),
    sources: {
      ...parts,
      pruner: retention?.pruner,
      inventory: store.inventory,
      metadata: listedChanges(store),
      blobsOf: blobsIn(store, log),
      refresh: config.airGapped
        ? undefined
        : async (repository, tag) => await registries.of(hostOf(repository)).refresh(repository, tag),
      fills: () => cache.fills.states(),
      imageNamed: (text) => imageNamed(text, target),
      clock,
    },
    clock,
    log,
  });
}

/** Changes of names, pins among them, that stand in the list of names soon. */
function listedChanges({ metadata, changed }: Store): Pick<MetadataStore, 'change' | 'getTag'> {
  return {
    change: async (operations, locked) => {
      await metadata.change(operations, locked);
      changed();
    },
    getTag: async (repository, tag) => await metadata.getTag(repository, tag),
  };
}

/** Read past the memory of what clients ask for, which a list of all would empty. None where a manifest is damaged or names too many. */
function blobsIn({ content, metadata }: Store, log: Log): BlobsOf {
  const manifests = new StoredManifests({ content, metadata, log });
  return async (repository, digest) => {
    const manifest = await manifests.get(repository, digest);
    return manifest === undefined ? [] : (await contentOf(repository, manifest)).blobs;
  };
}
