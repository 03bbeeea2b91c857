import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { Slots } from '../../base/slots.ts';
import type { Addresses, Resolve } from './addresses.ts';

export interface SystemLookupSettings {
  readonly clock: Clock;
  readonly log: Log;
  /** `getaddrinfo`: it takes a thread for as long as it likes, and cannot be ended. */
  readonly resolve: Resolve;
  /** As many at a time, those that hang and are waited for by nobody included. */
  readonly threads: number;
  /** One that takes longer hangs. Milliseconds. */
  readonly hungMs: number;
}

/** A lookup that runs. */
interface SystemLookup {
  readonly answer: Promise<Addresses>;
  /** By {@link Clock.monotonic}. */
  readonly begunAt: number;
}

/** Lookups by the system, which knows of files, search domains and all else that is configured: one for each name at a time, and few of them. */
export class SystemLookups {
  readonly #settings: SystemLookupSettings;
  readonly #slots: Slots;
  readonly #running = new Map<string, SystemLookup>();

  constructor(settings: SystemLookupSettings) {
    this.#settings = settings;
    this.#slots = new Slots(settings.threads);
  }

  /** So many have a thread and no answer for a long time. */
  get hung(): number {
    const { clock, hungMs } = this.#settings;
    const before = clock.monotonic() - hungMs;
    return this.#running.values().reduce((hung, { begunAt }) => hung + (begunAt <= before ? 1 : 0), 0);
  }

  /** Has it a thread? */
  looksFor(hostname: string): boolean {
    return this.#running.has(hostname);
  }

  /** The one for this name that runs, or one that begins now; undefined: no thread is left. */
  begin(hostname: string): SystemLookup | undefined {
    const running = this.#running.get(hostname);
    return running ?? (this.#slots.tryTake() ? this.#begun(hostname) : undefined);
  }

  /** One that begins as soon as there is a thread. The signal ends the waiting for that. */
  async whenFree(hostname: string, signal: AbortSignal): Promise<Addresses> {
    await this.#slots.take(signal);
    return await this.#begun(hostname).answer;
  }

  /** In a slot that was taken. */
  #begun(hostname: string): SystemLookup {
    const { clock, log, resolve, hungMs } = this.#settings;
    const begunAt = clock.monotonic();
    const isLate = clock.after(hungMs, () =>
      log.warn({ name: hostname }, 'the name server does not answer: a DNS lookup hangs, and holds a thread'),
    );
    const answer = resolve(hostname).finally(() => {
      isLate[Symbol.dispose]();
      this.#running.delete(hostname);
      this.#slots.giveBack();
      const ms = clock.monotonic() - begunAt;
      if (ms >= hungMs) log.info({ name: hostname, ms: Math.round(ms) }, 'a DNS lookup that hung has ended');
    });
    // It may end when nobody waits for it any more.
    answer.catch(() => undefined);
    const lookup = { answer, begunAt };
    this.#running.set(hostname, lookup);
    return lookup;
  }
}
