import type { Digest } from '#src/oci/reference.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import { loseBlob, type Operation } from '#src/storage/operation.ts';
import type { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';

/** One write as it was asked for. */
interface Write {
  readonly method: string;
  args: readonly unknown[];
}

interface WatchSettings {
  readonly scheduler: Scheduler;
  readonly syncMs: number;
  /** Nobody is told of what others change. */
  readonly isDeaf: boolean;
}

/** SQLite’s log is synced so long after a commit, at the latest (`wal-sync.ts`). */
const syncDelayMs = 400;

/** What has another name changes something. */
const isRead = (method: string): boolean =>
  /^(?:get|has|list|blobSize|claimedSizes|watch|hurry)/.test(method);

const kinds: readonly Operation['kind'][] = ['discard content', 'discard announced'];

function isDiscarding([operations]: readonly unknown[]): boolean {
  return Array.isArray(operations) && operations.some(({ kind }: Operation) => kinds.includes(kind));
}

/**
 * What was written to the index, over all lives of the server. A commit survives the process; it survives a power cut once the log
 * was synced, and of what was not the last so many are lost.
 */
export class IndexLog {
  /** Told of each write before it is done, and of the operations of each that is, with the store that did them. */
  onWrite: () => void = () => {};
  onDone: (operations: readonly Operation[], store: MetadataStore) => void = () => {};
  /** Told of the bytes that were discarded, and when that was asked for. */
  onDiscarded: (digests: readonly Digest[], askedAt: number) => void = () => {};
  #writes: Write[] = [];
  #durable = 0;

  /** The store, with its writes noted; `life` decides whether it still answers. */
  watching(store: MetadataStore, life: Life, { scheduler, syncMs, isDeaf }: WatchSettings): MetadataStore {
    let isSyncing = false;
    const sync = (): void => {
      if (isSyncing) return;
      isSyncing = true;
      scheduler.after(syncDelayMs, undefined, () => {
        const count = this.#writes.length;
        isSyncing = false;
        scheduler.after(syncMs, undefined, () => {
          if (life.isAlive) this.#durable = Math.max(this.#durable, count);
        });
      });
    };
    return new Proxy(store, {
      get: (target, key) => {
        const member: unknown = Reflect.get(target, key);
        if (typeof member !== 'function') return member;
        if (isDeaf && key === 'watch') return () => new DisposableStack();
        return (...args: unknown[]): unknown => {
          if (!life.isAlive) return new Promise(() => {});
          if (typeof key !== 'string' || isRead(key)) return Reflect.apply(member, target, args);
          const write: Write = { method: key, args };
          this.#writes.push(write);
          this.onWrite();
          sync();
          const done = Reflect.apply(member, target, args) as Promise<unknown>;
          if (key === 'change') this.#tellWhenDone(done, args, store);
          return isDiscarding(args) ? this.#discarding(write, store, done, scheduler.time) : done;
        };
      },
    });
  }

  /** What is discarded depends on files as they are now: what is done again is what came of it. */
  async #discarding(write: Write, store: MetadataStore, done: unknown, askedAt: number): Promise<void> {
    const [operations = []] = write.args as [readonly Operation[]];
    const others = operations.filter(({ kind }) => kind !== 'discard content');
    write.args = [others];
    const digests = operations.flatMap((each) => (each.kind === 'discard content' ? each.digests : []));
    const there = await storedOf(digests, store);
    await done;
    const left = await storedOf(digests, store);
    const gone = digests.filter((digest) => !left.has(digest));
    write.args = [[...others, ...gone.map(loseBlob)]];
    this.onDiscarded(
      gone.filter((digest) => there.has(digest)),
      askedAt,
    );
  }

  #tellWhenDone(done: Promise<unknown>, [operations]: readonly unknown[], store: MetadataStore): void {
    const tell = (): void => this.onDone(operations as readonly Operation[], store);
    // Whoever has asked for it is told what is wrong.
    done.then(tell, () => undefined);
  }

  cutPower(): void {
    this.#writes = this.#writes.slice(0, this.#durable);
  }

  /** Writes into an empty store all that was written before. */
  async replay(store: MetadataStore): Promise<void> {
    for (const { method, args } of this.#writes) {
      const write = Reflect.get(store, method) as (...args: readonly unknown[]) => Promise<unknown>;
      // What was refused then is refused again.
      await Reflect.apply(write, store, args).catch(() => undefined);
    }
    this.#durable = this.#writes.length;
  }
}

/** Those whose bytes are said to be here. */
async function storedOf(digests: readonly Digest[], store: MetadataStore): Promise<ReadonlySet<Digest>> {
  const { graph } = store as SqliteMetadataStore;
  const known = await Promise.all(digests.map(async (digest) => await graph.content(digest)));
  return new Set(digests.filter((_, at) => known[at]?.storedAt !== undefined));
}
