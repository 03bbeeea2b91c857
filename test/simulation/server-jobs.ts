import type { OpenCache } from '#src/cache/open-cache.ts';
import { changesOf } from '#src/storage/operation.ts';
import type { Job, JobParts } from './job-parts.ts';
import type { Life } from './life.ts';

/** What a server does beside its clients, as the import of what an earlier program has left: it ends when the server does. */
export class ServerJobs implements AsyncDisposable {
  readonly #life: Life;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #parts: JobParts | undefined;

  constructor(life: Life) {
    this.#life = life;
  }

  /** The server has begun. */
  begin(parts: Omit<JobParts, 'changed' | 'signal'>, cache: Pick<OpenCache, 'forget'>): void {
    const { signal } = this.#stop;
    this.#parts = { ...parts, signal, changed: (operations) => cache.forget(changesOf(operations)) };
  }

  /** Undefined: the server has ended before. */
  async run<Value>(job: Job<Value>): Promise<Value | undefined> {
    if (this.#parts === undefined || !this.#life.isAlive) return undefined;
    const running = job(this.#parts);
    this.#running.add(running);
    running.finally(() => this.#running.delete(running)).catch(() => undefined);
    return await Promise.race([running, this.#life.crashed.then(() => undefined)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the server is stopping'));
    await Promise.allSettled(this.#running);
  }
}
