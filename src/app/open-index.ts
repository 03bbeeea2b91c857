import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { keepNameList } from '../rebuild/kept-list.ts';
import { StoreFullError } from '../storage/content-store.ts';
import type { DiscardedContent } from '../storage/discarded-content.ts';
import type { EventQueue } from '../storage/event-queue.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { isMarkedDamaged, markDamaged } from '../storage/sqlite/damage-watch.ts';
import { identityOf, putIndexAside } from '../storage/sqlite/damaged-index.ts';
import { fileName, olderName, openOlder, type Sharing } from '../storage/sqlite/open-database.ts';
import { DamagedIndexError } from '../storage/sqlite/sqlite-errors.ts';
import { SqliteMetadataStore } from '../storage/sqlite/sqlite-metadata-store.ts';
import type { MemoryPlan } from './memory-plan.ts';

export interface IndexSettings {
  readonly memory: Pick<MemoryPlan, 'indexPages'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Told what takes long, in words, as it goes on. */
  readonly says: (what: string) => void;
  /** May what cannot be read be put aside? Not by whoever is called beside a server that has it open. Default: no. */
  readonly putsAside?: boolean | undefined;
}

/** What is known, and what is to be said of it. */
interface Index {
  readonly metadata: MetadataStore & {
    readonly path: string;
    readonly inventory: Inventory;
    readonly graph?: ImageGraph;
    readonly events?: EventQueue;
  };
  readonly warning?: string;
}

/** The index of this version and an older one, and one more that another process has made in the place of either. */
const maxDamaged = 3;

/**
 * Opens the index. What lies in its place and can be read as none is put aside where that may be, and a new one is made: nothing that lies there keeps
 * the server from starting. Throws what else does.
 */
export async function openIndex(
  directory: string,
  sharing: Sharing,
  discarded: DiscardedContent,
  settings: IndexSettings,
): Promise<Index> {
  for (let damaged = 0; ; damaged += 1) {
    const before = new Map(
      [fileName, olderName].map((name) => [join(directory, name), identityIn(directory, name)]),
    );
    try {
      if (settings.putsAside === true) refuseMarked(join(directory, fileName));
      return await openOne(directory, sharing, discarded, settings);
    } catch (error) {
      const mayGo = settings.putsAside === true && damaged < maxDamaged;
      if (!(error instanceof DamagedIndexError) || !mayGo) throw error;
      await keepNameList(directory);
      const aside = putIndexAside(error.path, before.get(error.path));
      settings.log.error(
        { err: error, path: error.path, aside },
        'the index cannot be read: it was put aside, and is made anew from what lies in the directory',
      );
    }
  }
}

/** SQLite would open it. */
function refuseMarked(path: string): void {
  if (isMarkedDamaged(path)) throw new DamagedIndexError(path, `${path} was found damaged while it was used`);
}

/** Once for each process. */
function noteDamage(log: Log): (path: string) => void {
  let isNoted = false;
  return (path) => {
    if (isNoted) return;
    isNoted = true;
    markDamaged(path);
    log.error(
      { path },
      'the index is damaged: what cannot be read of it is asked for anew. The next start of the server, or verify --rebuild, puts it aside and makes it anew',
    );
  };
}

function identityIn(directory: string, name: string): string | undefined {
  return identityOf(join(directory, name));
}

/** Where there is no room for an index of this version, and one of an older version is there, that one: to be read. */
async function openOne(
  directory: string,
  sharing: Sharing,
  discarded: DiscardedContent,
  { clock, log, memory: { indexPages }, says: tell }: IndexSettings,
): Promise<Index> {
  const says = (what: string, isNews: boolean): void => {
    tell(what);
    if (isNews) log.warn({ directory }, what);
  };
  try {
    const shared = { clock, sharing, indexPages, discarded, damaged: noteDamage(log) };
    const metadata = await SqliteMetadataStore.open(directory, { ...shared, opening: { says } });
    return metadata.isFull
      ? asReadOnly(metadata, `no room for what ${metadata.path} of an earlier release lacks`, log)
      : { metadata };
  } catch (error) {
    const older = error instanceof StoreFullError ? await openOlder(directory, sharing) : undefined;
    if (older === undefined) throw error;
    return asReadOnly(older, messageOf(error), log);
  }
}

/** Nothing can be changed by it, or removed. */
function asReadOnly(metadata: Index['metadata'], why: string, log: Log): Index {
  const warning = `${why}. What is cached is served, and nothing more is kept until there is room and the server was started again`;
  log.error({ path: metadata.path }, warning);
  return { metadata, warning };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
