import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { TaskSet } from '../base/task-set.ts';
import { hostOf, type RegistryHost, type RepositoryName, type Tag } from '../oci/reference.ts';

export interface ToldTagsParts {
  /** Rejects where it may succeed another time. */
  readonly work: (repository: RepositoryName, tag: Tag, signal: AbortSignal) => Promise<void>;
  /** So many at a time, and of one registry. */
  readonly width: number;
  readonly widthOfOne: number;
  /** What is done, for the log. */
  readonly what: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Waiting {
  readonly repository: RepositoryName;
  readonly tag: Tag;
  /** How often it has failed. */
  readonly failures: number;
  /** By {@link Clock.monotonic}. */
  readonly from: number;
}

/** More wait for nobody. */
const maxWaiting = 1000;
/** What fails is tried so often, after pauses that grow fivefold. Milliseconds. */
const maxTries = 5;
const firstPauseMs = 2000;

/**
 * Tags with which something is to be done since somebody has told of them: each once however often it was told, and once more if it was told meanwhile.
 * No registry takes the turns of another.
 */
export class ToldTags implements AsyncDisposable {
  readonly #parts: ToldTagsParts;
  readonly #tasks: TaskSet;
  readonly #waiting = new Map<string, Waiting>();
  readonly #running = new Map<string, RegistryHost>();
  readonly #stop = new AbortController();
  #timer: Disposable | undefined;

  constructor(parts: ToldTagsParts) {
    this.#parts = parts;
    this.#tasks = new TaskSet(parts.log);
  }

  /** False: too many wait. */
  add(repository: RepositoryName, tag: Tag): boolean {
    return this.#put({ repository, tag, failures: 0, from: 0 });
  }

  #put(waiting: Waiting): boolean {
    const key = `${waiting.repository}:${waiting.tag}`;
    if (!this.#waiting.has(key) && this.#waiting.size >= maxWaiting) return false;
    this.#waiting.set(key, waiting);
    this.#turn();
    return true;
  }

  /** Begins what may begin, and sees to it that the rest is looked at again. */
  #turn(): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#stop.signal.aborted) return;
    const now = this.#parts.clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const [key, waiting] of this.#waiting) {
      if (this.#running.size >= this.#parts.width) return;
      if (waiting.from > now) next = Math.min(next, waiting.from);
      else if (this.#mayBegin(key, hostOf(waiting.repository))) this.#begin(key, waiting);
    }
    if (next !== Number.POSITIVE_INFINITY)
      this.#timer = this.#parts.clock.after(next - now, () => this.#turn());
  }

  #mayBegin(key: string, host: RegistryHost): boolean {
    if (this.#running.has(key)) return false;
    const ofOne = [...this.#running.values()].filter((its) => its === host).length;
    return ofOne < this.#parts.widthOfOne;
  }

  #begin(key: string, waiting: Waiting): void {
    this.#waiting.delete(key);
    this.#running.set(key, hostOf(waiting.repository));
    this.#tasks.run(this.#parts.what, async () => {
      try {
        await this.#do(key, waiting);
      } finally {
        this.#running.delete(key);
        this.#turn();
      }
    });
  }

  async #do(key: string, { repository, tag, failures }: Waiting): Promise<void> {
    const { work, what, clock, log } = this.#parts;
    const { signal } = this.#stop;
    try {
      await work(repository, tag, signal);
    } catch (error) {
      if (signal.aborted) return;
      const isLast = failures + 1 >= maxTries;
      log[isLast ? 'warn' : 'info'](
        { err: error, repository, tag },
        `${what} failed${isLast ? '' : ': it is tried again'}`,
      );
      // Who told of it again meanwhile begins anew.
      if (isLast || this.#waiting.has(key)) return;
      const from = clock.monotonic() + firstPauseMs * 5 ** failures;
      this.#waiting.set(key, { repository, tag, failures: failures + 1, from });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the server is stopping'));
    this.#timer?.[Symbol.dispose]();
    this.#waiting.clear();
    await this.#tasks[Symbol.asyncDispose]();
  }
}
