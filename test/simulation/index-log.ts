import type { Digest } from '#src/oci/reference.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import { loseBlob, type Operation } from '#src/storage/operation.ts';
import type { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';

/** One change that was made. */
interface Write {
  operations: readonly Operation[];
}

interface WatchSettings {
  readonly scheduler: Scheduler;
  readonly syncMs: number;
  /** A sync says that it is done and does nothing. */
  readonly ignoresSync: boolean;
  /** Nobody is told of what others change. */
  readonly isDeaf: boolean;
}

type Change = Parameters<MetadataStore['change']>;

/** SQLite’s log is synced so long after a commit, at the latest (`wal-sync.ts`). */
const syncDelayMs = 400;

/**
 * What was written to the index, over all lives of the server, in the order in which it was committed: what was refused is not in it. A commit survives the
 * process; it survives a power cut once the log was synced, and of what was not the last so many are lost.
 */
export class IndexLog {
  /** Told of each write before it is done, and of the operations of each that is, with the store that did them. */
  onWrite: () => void = () => {};
  onDone: (operations: readonly Operation[], store: MetadataStore) => void = () => {};
  /** Told of the bytes that were discarded, and when that was asked for. */
  onDiscarded: (digests: readonly Digest[], askedAt: number) => void = () => {};
  #writes: Write[] = [];
  #durable = 0;
  #cuts = 0;

  /** The store, with its writes noted; `life` decides whether it still answers. */
  watching(store: MetadataStore, life: Life, settings: WatchSettings): MetadataStore {
    const syncSoon = this.#syncingSoon(life, settings);
    return new Proxy(store, {
      get: (target, key) => {
        const member: unknown = Reflect.get(target, key);
        if (typeof member !== 'function') return member;
        if (settings.isDeaf && key === 'watch') return () => new DisposableStack();
        return (...args: unknown[]): unknown => {
          if (!life.isAlive) return new Promise(() => {});
          if (key === 'durable') return this.#sync(life, settings);
          if (key !== 'change') return Reflect.apply(member, target, args);
          this.onWrite();
          return this.#change(store, args as Change, syncSoon, settings.scheduler.time);
        };
      },
    });
  }

  async #change(store: MetadataStore, change: Change, committed: () => void, askedAt: number): Promise<void> {
    const [operations] = change;
    const cuts = this.#cuts;
    const done = store.change(...change);
    // Whoever has asked for it is told what is wrong.
    done.catch(() => undefined);
    const digests = operations.filter(isByFiles).flatMap(digestsOf);
    const there = digests.length === 0 ? new Set<Digest>() : await storedOf(digests, store);
    await done;
    const write: Write = { operations: operations.filter((operation) => !isByFiles(operation)) };
    // Of whoever the power was cut from it is not known.
    if (cuts === this.#cuts) this.#writes.push(write);
    committed();
    this.onDone(operations, store);
    if (digests.length > 0) await this.#gone(write, { digests, there, askedAt, operations }, store);
  }

  /** What is discarded, or missing, depends on files as they are now: what is done again is what came of it. */
  async #gone(
    write: Write,
    {
      digests,
      there,
      askedAt,
      operations,
    }: {
      readonly digests: readonly Digest[];
      readonly there: ReadonlySet<Digest>;
      readonly askedAt: number;
      readonly operations: readonly Operation[];
    },
    store: MetadataStore,
  ): Promise<void> {
    const left = await storedOf(digests, store);
    const gone = digests.filter((digest) => !left.has(digest));
    write.operations = [...write.operations, ...gone.map((digest) => loseBlob(digest))];
    const discarded = new Set(operations.filter(({ kind }) => kind === 'discard content').flatMap(digestsOf));
    this.onDiscarded(
      gone.filter((digest) => discarded.has(digest) && there.has(digest)),
      askedAt,
    );
  }

  /** To be called after each commit. */
  #syncingSoon(life: Life, settings: WatchSettings): () => void {
    let isSyncing = false;
    return () => {
      if (isSyncing) return;
      isSyncing = true;
      settings.scheduler.after(syncDelayMs, undefined, () => {
        isSyncing = false;
        void this.#sync(life, settings);
      });
    };
  }

  /** Settles when what was committed by now survives a power cut. */
  async #sync(life: Life, { scheduler, syncMs, ignoresSync }: WatchSettings): Promise<void> {
    const count = this.#writes.length;
    const { promise, resolve } = Promise.withResolvers<void>();
    scheduler.after(syncMs, undefined, () => {
      if (!life.isAlive) return;
      if (!ignoresSync) this.#durable = Math.max(this.#durable, count);
      resolve();
    });
    await promise;
  }

  cutPower(): void {
    this.#cuts += 1;
    this.#writes = this.#writes.slice(0, this.#durable);
  }

  /** Writes into an empty store all that was written before. */
  async replay(store: MetadataStore): Promise<void> {
    for (const { operations } of this.#writes) await store.change(operations);
    this.#durable = this.#writes.length;
  }
}

function isByFiles(operation: Operation): boolean {
  return (
    operation.kind === 'discard content' || (operation.kind === 'lose blob' && operation.found === 'missing')
  );
}

function digestsOf(operation: Operation): readonly Digest[] {
  if (operation.kind === 'lose blob') return [operation.digest];
  return operation.kind === 'discard content' ? operation.digests : [];
}

/** Those whose bytes are said to be here. */
async function storedOf(digests: readonly Digest[], store: MetadataStore): Promise<ReadonlySet<Digest>> {
  const { graph } = store as SqliteMetadataStore;
  const known = await Promise.all(digests.map(async (digest) => await graph.content(digest)));
  return new Set(digests.filter((_, at) => known[at]?.storedAt !== undefined));
}
