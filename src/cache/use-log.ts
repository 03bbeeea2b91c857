import type { Clock } from '../clock.ts';
import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { TaskSet } from './task-set.ts';

const flushMs = 10_000;

/** Collects when manifests were served and writes it now and then: the hot path only sets a map entry. */
export class UseLog implements AsyncDisposable {
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;
  readonly #tasks: TaskSet;
  readonly #stop = new AbortController();
  #pending = new Map<string, { repository: RepositoryName; digest: Digest; at: number }>();
  #scheduled = false;

  constructor(metadata: MetadataStore, clock: Clock, tasks: TaskSet) {
    this.#metadata = metadata;
    this.#clock = clock;
    this.#tasks = tasks;
  }

  note(repository: RepositoryName, digest: Digest): void {
    this.#pending.set(`${repository}@${digest}`, { repository, digest, at: this.#clock.now() });
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#tasks.run('recording uses', async () => {
      await this.#clock.sleep(flushMs, this.#stop.signal).catch(() => {});
      await this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const uses = [...this.#pending.values()];
    this.#pending = new Map();
    this.#scheduled = false;
    await this.#metadata.recordUse(uses);
  }

  /** Has what is left written; the task set still has to be waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    if (this.#pending.size > 0) this.#tasks.run('recording uses', async () => await this.#flush());
  }
}
