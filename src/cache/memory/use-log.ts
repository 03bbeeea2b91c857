import type { Clock } from '../../base/clock.ts';
import type { TaskSet } from '../../base/task-set.ts';
import { contentKey, type Digest, type RepositoryName } from '../../oci/reference.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import { recordUses } from '../../storage/operation.ts';
import type { Use } from '../../storage/records.ts';

const flushMs = 10_000;
/** So many manifests are not waited for longer; while a store that is slow takes earlier ones, further ones are not noted. */
const maxPending = 2000;
/** So many are one change of the store. */
const sliceLength = 100;

/** A use, and when it was the last time. */
interface Noted extends Use {
  at: number;
}

/** Collects when manifests were served and writes it now and then: the hot path only sets a map entry. */
export class UseLog implements AsyncDisposable {
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;
  readonly #tasks: TaskSet;
  readonly #stop = new AbortController();
  #pending = new Map<string, Noted>();
  #scheduled = false;
  #isFlushing = false;

  constructor(metadata: MetadataStore, clock: Clock, tasks: TaskSet) {
    this.#metadata = metadata;
    this.#clock = clock;
    this.#tasks = tasks;
  }

  /** `key`: {@link contentKey} of both, from who notes often. */
  note(repository: RepositoryName, digest: Digest, key = contentKey(repository, digest)): void {
    const at = this.#clock.now();
    const noted = this.#pending.get(key);
    if (noted !== undefined) noted.at = at;
    else if (this.#pending.size < maxPending) this.#pending.set(key, { repository, digest, at });
    if (this.#pending.size >= maxPending) this.#flushSoon();
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#tasks.run('recording uses', async () => {
      await this.#clock.sleep(flushMs, this.#stop.signal).catch(() => {});
      this.#scheduled = false;
      await this.#flush();
    });
  }

  #flushSoon(): void {
    if (!this.#isFlushing) this.#tasks.run('recording uses', async () => await this.#flush());
  }

  /** One at a time: it takes along what is noted meanwhile. */
  async #flush(): Promise<void> {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    try {
      while (this.#pending.size > 0) await this.#write(this.#takePending());
    } finally {
      this.#isFlushing = false;
    }
  }

  /** In the order of their times, since a use counts for the indexes above as well. */
  #takePending(): readonly Use[] {
    const uses = [...this.#pending.values()].sort((one, other) => one.at - other.at);
    this.#pending = new Map();
    return uses;
  }

  async #write(uses: readonly Use[]): Promise<void> {
    for (let at = 0; at < uses.length; at += sliceLength)
      await this.#metadata.change([recordUses(uses.slice(at, at + sliceLength))]);
  }

  /** Has what is left written; the task set still has to be waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    if (this.#pending.size > 0) this.#flushSoon();
  }
}
