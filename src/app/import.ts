import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { importBundles } from '../bundle/import-bundles.ts';
import { ImportRun } from '../bundle/import-run.ts';
import type { EntryMemory } from '../bundle/original-directory.ts';
import type { Config } from '../config/schema.ts';
import { HostedRules } from '../hosted/hosted-rules.ts';
import type { LoadedImage } from '../load/load-images.ts';
import type { Platform } from '../oci/platform.ts';
import { noteTakenOver } from '../storage/operation.ts';
import { type Caching, openCaching } from './caching.ts';
import { importedName } from './imported-name.ts';
import { limitedStore } from './kept-limits.ts';
import { filePlan } from './open-files.ts';
import { restoringOf } from './restoring.ts';
import { layoutVersion, type Store } from './store.ts';

/** What is to be imported. */
export interface ImportOrder {
  readonly paths: readonly string[];
  /** The registry that a directory stands for which does not say it. */
  readonly host: string | undefined;
  /** Of an index only these; none: what is there. */
  readonly platforms: readonly Platform[];
}

export interface ImportParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly clock?: Clock;
  readonly signal: AbortSignal;
  /** Told of each image as it ends, and of what else is wrong. */
  readonly ended: (image: LoadedImage) => void;
}

/** Imports into the directory, beside whoever serves from it. Throws what keeps the directory from being used. */
export async function importImages(config: Config, order: ImportOrder, parts: ImportParts): Promise<void> {
  const { log, version, env, clock = systemClock, signal, ended } = parts;
  const files = await filePlan(1, log);
  await using caching = await openCaching(
    { ...config, metrics: 0 },
    { files, version, clock, log, random: Math.random, env, says() {}, completes: false },
  );
  const { paths, host, platforms } = order;
  const target = join(await realpath(config.imagePath), layoutVersion);
  // Who names the directory wants all of it; a server that starts there later has nothing to do.
  const memory = { ...entryMemory(caching.store), stateOf: async () => undefined };
  const run = importRun(config, caching, { clock, platforms, signal, ended });
  await importBundles(paths, { host, target, memory }, run);
}

/** What is known of the directory of 1.17 in which ours lies. */
export function entryMemory({ metadata }: Pick<Store, 'metadata'>): EntryMemory {
  return {
    stateOf: async (entry) => await metadata.getTakenOver(entry),
    settle: async (entry, state) => await metadata.change([noteTakenOver(entry, state)]),
  };
}

/** An import into a cache that is open. */
export function importRun(
  { hosted }: Pick<Config, 'hosted'>,
  { store, retention, changed }: Caching,
  { clock, ...settings }: Pick<ImportRun, 'platforms' | 'signal' | 'ended'> & { readonly clock: Clock },
): ImportRun {
  const { metadata } = store;
  const { content, spools } = limitedStore(store, retention);
  const rules = new HostedRules(hosted);
  return new ImportRun({
    ...settings,
    parts: {
      ...{ content, spools, metadata, clock, changed },
      named: (text) => importedName(text, rules),
      isBeingRestored: restoringOf(store),
      isImmutable: (repository, tag) => rules.ruleOf(repository)?.isImmutable(tag) === true,
    },
  });
}
