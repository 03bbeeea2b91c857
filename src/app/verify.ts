import { type Clock, systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { hostOf, type RegistryHost } from '../oci/reference.ts';
import { sizesAreKnown } from '../rebuild/kept-list.ts';
import type { Owner } from '../storage/records.ts';
import { ByteRate } from '../verify/byte-rate.ts';
import { checkKnown, checkOthers } from '../verify/check-store.ts';
import type { CheckedFile } from '../verify/checked-file.ts';
import { FileCheck } from '../verify/file-check.ts';
import { LateLook } from '../verify/late-look.ts';
import { lostContent } from '../verify/lost-content.ts';
import { type Caching, openCaching } from './caching.ts';
import { assertCached } from './nothing-cached.ts';
import { filePlan } from './open-files.ts';
import { rebuildStore } from './rebuild.ts';

/** What was found, and whether it is here again; of what was not fetched again, why. */
export interface VerifiedFile extends CheckedFile {
  readonly isRepaired: boolean;
  /** Has a server that uses the directory brought it again, from its memory or its registry? */
  readonly isByServer?: boolean | undefined;
  readonly problem?: string | undefined;
}

export interface VerifyParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly signal: AbortSignal;
  /** Bytes a second; 0: no limit. */
  readonly rate: number;
  /** Is the index made anew from what lies in the directory, before? */
  readonly rebuilds: boolean;
  /** Is what is wrong or missing fetched again? */
  readonly repairs: boolean;
}

/** A manifest is served a moment before it is stored. Milliseconds. */
const patienceMs = 30_000;
const pauseMs = 50;

/** Hashes all that the directory has, beside whoever serves from it. Throws what keeps it from being used, or the signal's reason. */
export async function* verifyStore(config: Config, parts: VerifyParts): AsyncGenerator<VerifiedFile> {
  const { log, version, env, rate, signal, clock = systemClock, random = Math.random } = parts;
  assertCached(config.imagePath);
  const open = await filePlan(1, log);
  await using caching = await openCaching(
    { ...config, metrics: 0 },
    { files: open, version, clock, log, random, env, says() {}, completes: false, rebuilds: parts.rebuilds },
  );
  await rebuildStore(caching, { config, clock, log }, signal);
  const { content, metadata } = caching.store;
  const { changed } = caching;
  const check = new FileCheck({ content, metadata, changed }, new ByteRate(clock, rate));
  const repair = new Repair(caching, clock, signal);
  const late = new LateLook<VerifiedFile>({ content, metadata, clock, signal });
  for await (const found of allOf(caching, check, signal)) {
    const file = parts.repairs ? await repair.of(found) : { ...found, isRepaired: false };
    if (isLost(file)) late.add(file);
    else yield file;
    yield* lookedAtAgain(late, false);
  }
  yield* lookedAtAgain(late, true);
  const { rebuild } = caching.store;
  if (rebuild !== undefined) await sizesAreKnown(rebuild.directory);
}

function isLost({ verdict, owners, isRepaired }: VerifiedFile): boolean {
  return (verdict === 'wrong' || verdict === 'missing') && owners.length > 0 && !isRepaired;
}

async function* lookedAtAgain(late: LateLook<VerifiedFile>, all: boolean): AsyncGenerator<VerifiedFile> {
  for await (const { file, isHere } of late.over(all))
    yield isHere ? { ...file, isRepaired: true, isByServer: true, problem: undefined } : file;
}

/** What was lost before comes first, so that nothing is told twice. */
async function* allOf(
  { store: { content, metadata, inventory, graph } }: Caching,
  check: FileCheck,
  signal: AbortSignal,
): AsyncGenerator<CheckedFile> {
  if (graph !== undefined) yield* lostContent({ metadata, inventory, graph }, signal);
  for (const walk of [checkKnown, checkOthers]) yield* walk({ content, metadata }, check, signal);
}

/** Fetches again what was lost, for one of those who may serve it: it is there for all then. */
class Repair {
  readonly #caching: Caching;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;

  constructor(caching: Caching, clock: Clock, signal: AbortSignal) {
    this.#caching = caching;
    this.#clock = clock;
    this.#signal = signal;
  }

  async of(found: CheckedFile): Promise<VerifiedFile> {
    if (found.verdict === 'right' || found.verdict === 'unreadable') return { ...found, isRepaired: false };
    let problem: string | undefined;
    for (const owner of oneOfEach(found.owners)) {
      try {
        await this.#fetch(owner, found);
        return { ...found, isRepaired: true };
      } catch (error) {
        this.#signal.throwIfAborted();
        problem ??= error instanceof Error ? error.message : String(error);
      }
    }
    return { ...found, isRepaired: false, problem };
  }

  async #fetch({ repository, as }: Owner, { digest }: CheckedFile): Promise<void> {
    const { registries, store } = this.#caching;
    const registry = registries.of(hostOf(repository));
    if (as === 'blob') {
      await registry.bringBlob(repository, digest, { signal: this.#signal });
      return;
    }
    await registry.getManifest(repository, digest, { signal: this.#signal });
    const giveUpAt = this.#clock.monotonic() + patienceMs;
    while ((await store.content.stat(digest)) === undefined) {
      if (this.#clock.monotonic() >= giveUpAt) throw new Error('it was fetched and could not be stored');
      await this.#clock.sleep(pauseMs, this.#signal);
    }
  }
}

/** Of each registry. */
function oneOfEach(owners: readonly Owner[]): Iterable<Owner> {
  const byHost = new Map<RegistryHost, Owner>();
  for (const owner of owners)
    if (!byHost.has(hostOf(owner.repository))) byHost.set(hostOf(owner.repository), owner);
  return byHost.values();
}
