import type { Clock } from '../../base/clock.ts';
import type { TaskSet } from '../../base/task-set.ts';
import type { Reference, RepositoryName } from '../../oci/reference.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import { recordMisses } from '../../storage/operation.ts';
import type { Miss } from '../../storage/records.ts';

const flushMs = 10_000;
/** So many names wait to be written; what comes beyond them in ten seconds is counted and not named. */
const maxPending = 1000;
/** So many are one change of the store. */
const sliceLength = 100;

/** Collects what was asked for across an air gap and is not here, and writes it now and then: whoever asked does not wait for that. */
export class MissLog implements AsyncDisposable {
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;
  readonly #tasks: TaskSet;
  readonly #stop = new AbortController();
  #pending = new Map<string, Miss>();
  #isWriting = false;
  #count = 0;

  constructor(metadata: MetadataStore, clock: Clock, tasks: TaskSet) {
    this.#metadata = metadata;
    this.#clock = clock;
    this.#tasks = tasks;
  }

  /** How often something was missed, in this process. */
  get count(): number {
    return this.#count;
  }

  note(repository: RepositoryName, reference: Reference): void {
    this.#count += 1;
    const key = `${repository} ${reference}`;
    const known = this.#pending.get(key);
    if (known === undefined && this.#pending.size >= maxPending) return;
    const now = this.#clock.now();
    const { times, firstAt } = known ?? { times: 0, firstAt: now };
    this.#pending.set(key, { repository, reference, times: times + 1, firstAt, lastAt: now });
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#tasks.run('recording what was missed', async () => await this.#writeLater());
  }

  /** Until nothing is left: one at a time. */
  async #writeLater(): Promise<void> {
    try {
      while (this.#pending.size > 0) {
        await this.#clock.sleep(flushMs, this.#stop.signal).catch(() => {});
        await this.#write();
      }
    } finally {
      this.#isWriting = false;
    }
  }

  async #write(): Promise<void> {
    const misses = [...this.#pending.values()];
    this.#pending = new Map();
    for (let at = 0; at < misses.length; at += sliceLength)
      await this.#metadata.change([recordMisses(misses.slice(at, at + sliceLength))]);
  }

  /** Has what is left written; the task set still has to be waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
  }
}
