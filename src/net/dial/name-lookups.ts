import { lookup } from 'node:dns/promises';
import { LRUCache } from 'lru-cache';
import { abortable } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';
import { type Log, silent } from '../../base/log.ts';
import { TimeLimit } from '../../base/time-limit.ts';
import type { Addresses, Resolve } from './addresses.ts';
import { type AskNameServer, askNameServer } from './dns-query.ts';
import { crowdedOut, isAnswer, noName, silentNameServer } from './lookup-error.ts';
import { SystemLookups } from './system-lookups.ts';

export interface NameLookupSettings {
  readonly clock: Clock;
  readonly log?: Log | undefined;
  /** How many threads lookups by the system may hold. */
  readonly threads: number;
  /** The system's. */
  readonly resolve?: Resolve | undefined;
  /** The way that takes no thread. */
  readonly ask?: AskNameServer | undefined;
}

/** How long addresses are used before they are asked for again, and how long "no such name" is believed. Milliseconds. */
const freshMs = 10_000;
const absentMs = 2000;
/** What was known before is used for so long when the name server is silent, before it is asked again. Milliseconds. */
const restMs = 2000;
/** After so long without an answer what was known is used, or another way is tried. Milliseconds. */
const lateMs = 500;
/** Who waits for a name waits so long while the system looks for it, and so long where no thread is free for that. Milliseconds. */
const patienceMs = 4000;
const crowdedMs = 2000;
/** Names and addresses of each that are remembered. */
const maxNames = 1000;
const maxAddresses = 32;
/** RFC 1035 section 2.3.4, with a dot behind it. */
const maxNameLength = 254;
/** Names that are asked for at a time by the way that takes no thread: what hangs there ends. */
const maxAsked = 64;

/** What is known of a name: where it is, or why it is nowhere. */
interface Known {
  readonly found: Addresses | Error;
  /** By {@link Clock.monotonic}. */
  readonly freshUntil: number;
  /** Nobody could be connected to there, so perhaps it has moved. */
  readonly isDoubted: boolean;
}

/**
 * Where names are: for all connections of the process, since all share the threads. A lookup of the system may hang for half a
 * minute and cannot be ended, so there are few at a time, one for a name, and whoever waits for one waits for a few seconds. What
 * was known is used while the name server is silent. A name of which nothing is known, or where nobody could be connected to, and for
 * which there is no thread or no answer, is also asked for by a way that takes no thread. Which addresses may be connected to is decided at each connection, by
 * whoever makes it.
 */
export class NameLookups {
  readonly #clock: Clock;
  readonly #system: SystemLookups;
  readonly #ask: AskNameServer;
  readonly #asking = new Set<string>();
  readonly #known = new LRUCache<string, Known>({ max: maxNames });
  readonly #flights = new Map<string, Promise<Addresses>>();

  constructor(settings: NameLookupSettings) {
    const { clock, log = silent, threads, resolve = systemResolve, ask = askNameServer } = settings;
    const resolved: Resolve = async (hostname) => await this.#kept(hostname, resolve(hostname));
    this.#clock = clock;
    this.#system = new SystemLookups({ clock, log, threads, resolve: resolved, hungMs: patienceMs });
    this.#ask = ask;
  }

  /** Lookups that hold a thread and have had no answer for a long time. */
  get hung(): number {
    return this.#system.hung;
  }

  /** Rejects with an error that has a code of Node's, after a few seconds at the latest. */
  async lookUp(hostname: string): Promise<Addresses> {
    if (!isName(hostname)) throw noName(hostname);
    const known = this.#known.get(hostname);
    if (known === undefined || known.freshUntil <= this.#clock.monotonic())
      return await (this.#flights.get(hostname) ?? this.#begin(hostname));
    if (known.found instanceof Error) throw known.found;
    return known.found;
  }

  /** Nobody could be connected to there: it is looked up anew the next time. */
  doubt(hostname: string): void {
    const addresses = this.#addressesOf(hostname);
    if (addresses !== undefined) this.#know(hostname, addresses, 0, true);
  }

  #begin(hostname: string): Promise<Addresses> {
    const flight = this.#freshOrStale(hostname).finally(() => this.#flights.delete(hostname));
    this.#flights.set(hostname, flight);
    return flight;
  }

  async #freshOrStale(hostname: string): Promise<Addresses> {
    try {
      return await this.#fresh(hostname);
    } catch (error) {
      const stale = this.#addressesOf(hostname);
      if (stale === undefined || isAnswer(error)) throw error;
      this.#remember(hostname, stale, restMs);
      return stale;
    }
  }

  async #fresh(hostname: string): Promise<Addresses> {
    const isOld = this.#system.looksFor(hostname);
    const running = this.#system.begin(hostname);
    const waitedMs = running === undefined ? 0 : this.#clock.monotonic() - running.begunAt;
    const over = new AbortController();
    using limit = new TimeLimit({
      clock: this.#clock,
      milliseconds: running === undefined || isOld ? crowdedMs : patienceMs,
      reason: () => this.#silence(hostname),
      signal: over.signal,
    });
    try {
      const answer = running?.answer ?? this.#system.whenFree(hostname, limit.signal);
      if (waitedMs < lateMs && (await this.#settles(answer, lateMs - waitedMs))) return await answer;
      if (this.#isGoodEnough(hostname)) throw silentNameServer(hostname);
      const found = Promise.race([answer, this.#asked(hostname, limit.signal)]);
      return await abortable(found, limit.signal);
    } finally {
      over.abort();
    }
  }

  async #settles(answer: Promise<Addresses>, withinMs: number): Promise<boolean> {
    const late = Promise.withResolvers<false>();
    using _timer = this.#clock.after(withinMs, () => late.resolve(false));
    const settled = answer.then(
      () => true,
      () => true,
    );
    return await Promise.race([settled, late.promise]);
  }

  /** Ends with addresses or never: that there are none for who knows less than the system says nothing. */
  async #asked(hostname: string, signal: AbortSignal): Promise<Addresses> {
    if (this.#asking.size < maxAsked) {
      this.#asking.add(hostname);
      const found = await this.#ask(hostname, signal).catch(() => []);
      this.#asking.delete(hostname);
      if (found.length > 0) return this.#remember(hostname, found, freshMs);
    }
    return await Promise.withResolvers<never>().promise;
  }

  /** Why there is no answer: is somebody asked for it at all? */
  #silence(hostname: string): Error {
    const isAsked = this.#system.looksFor(hostname) || this.#asking.has(hostname);
    return isAsked ? silentNameServer(hostname) : crowdedOut(hostname);
  }

  /** What comes of a lookup of the system is kept also when nobody waits for it any more. */
  async #kept(hostname: string, answer: Promise<Addresses>): Promise<Addresses> {
    try {
      return this.#remember(hostname, await answer, freshMs);
    } catch (error) {
      if (error instanceof Error && isAnswer(error)) this.#know(hostname, error, absentMs);
      throw error;
    }
  }

  #remember(hostname: string, found: Addresses, forMs: number): Addresses {
    const addresses = found.slice(0, maxAddresses);
    this.#know(hostname, addresses, forMs);
    return addresses;
  }

  #know(hostname: string, found: Known['found'], forMs: number, isDoubted = false): void {
    this.#known.set(hostname, { found, freshUntil: this.#clock.monotonic() + forMs, isDoubted });
  }

  /** Is what was known before used, where another way would have to be tried? */
  #isGoodEnough(hostname: string): boolean {
    return this.#addressesOf(hostname) !== undefined && this.#known.get(hostname)?.isDoubted === false;
  }

  #addressesOf(hostname: string): Addresses | undefined {
    const found = this.#known.get(hostname)?.found;
    return found instanceof Error ? undefined : found;
  }
}

const systemResolve: Resolve = async (hostname) => await lookup(hostname, { all: true });

/** What may be asked for: letters, digits and what names have in practice besides (RFC 1123 section 2.1, RFC 2181 section 11). */
function isName(hostname: string): boolean {
  return hostname.length <= maxNameLength && /^[\w.-]+$/.test(hostname);
}
