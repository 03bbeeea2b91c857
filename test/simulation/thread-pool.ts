import type { Life } from './life.ts';

/** Node’s threads for files: so many calls at once, the others wait in the order they came. */
export class ThreadPool {
  readonly #life: Life;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(life: Life, threads: number) {
    this.#life = life;
    this.#free = threads;
  }

  /** `begin` runs when a thread takes the call up, what it returns when it is done. */
  async call<Value>(
    milliseconds: number,
    label: string | undefined,
    begin: () => () => Value,
  ): Promise<Value> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    const end = begin();
    const done = Promise.withResolvers<Value>();
    this.#life.after(milliseconds, label, () => {
      this.#next();
      try {
        done.resolve(end());
      } catch (error) {
        done.reject(error);
      }
    });
    return await done.promise;
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
