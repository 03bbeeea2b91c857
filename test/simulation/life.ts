import type { Clock } from '#src/base/clock.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * One life of the server’s process: what it waits for ends only while it lives. After a crash its promises stay as they are, so
 * that nothing of it runs on behind the next one’s back.
 */
export class Life {
  readonly #scheduler: Scheduler;
  readonly #name: string;
  readonly #crashed = Promise.withResolvers<void>();
  #isAlive = true;
  #waiting = 0;

  /** `name`: in front of what it does, where there are several at a time. */
  constructor(scheduler: Scheduler, name = '') {
    this.#scheduler = scheduler;
    this.#name = name;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get time(): number {
    return this.#scheduler.time;
  }

  /** Settles when the process was killed, or has hung up. */
  get crashed(): Promise<void> {
    return this.#crashed.promise;
  }

  /** Timers and other things that it waits for and that will come by themselves. */
  get waiting(): number {
    return this.#waiting;
  }

  /** It ends, and its clients' connections have. */
  hangUp(): void {
    this.#crashed.resolve();
  }

  crash(): void {
    this.#isAlive = false;
    this.#crashed.resolve();
  }

  note(what: string): void {
    this.#scheduler.note(this.#name + what);
  }

  /** As {@link Scheduler.after}, and never once it is dead. */
  after(milliseconds: number, label: string | undefined, run: () => void): () => void {
    this.#waiting += 1;
    let isWaiting = true;
    /** True the first time. */
    const over = (): boolean => {
      const wasWaiting = isWaiting;
      if (wasWaiting) this.#waiting -= 1;
      isWaiting = false;
      return wasWaiting;
    };
    const fire = (): void => {
      if (over()) run();
    };
    const shown = label && this.#name + label;
    const cancel = this.#scheduler.after(milliseconds, shown, fire, () => this.#isAlive);
    return () => {
      if (over()) cancel();
    };
  }

  /** Rejects with the signal’s reason once it is aborted. */
  async pause(milliseconds: number, label: string | undefined, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const pause = Promise.withResolvers<void>();
    const cancel = this.after(milliseconds, label, pause.resolve);
    const abort = () => {
      cancel();
      pause.reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await pause.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }
}

/** When a scenario begins. Milliseconds since the epoch. */
export const epoch = 1_700_000_000_000;
/** Far from the time of day, so that whoever mixes them up is found. */
const monotonicStart = 5_000_000;

/** The time of one life; that of the day goes on over all of them. */
export function clockOf(life: Life): Clock {
  return {
    now: () => Math.floor(epoch + life.time),
    monotonic: () => monotonicStart + life.time,
    sleep: async (milliseconds, signal) => await life.pause(milliseconds, undefined, signal),
    after: (milliseconds, callback) => ({
      [Symbol.dispose]: life.after(milliseconds, undefined, callback),
    }),
  };
}
