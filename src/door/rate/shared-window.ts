import type { Clock } from '../../base/clock.ts';
import { allowanceIn, windowAt } from './fixed-window.ts';
import type { Allowance, Counter, RateLimitSettings } from './rate-limit.ts';
import { windowParts } from './sliding-window.ts';

/** What is counted for several processes, in Redis. Each rejects where that cannot be reached. */
export interface SharedCounts {
  /** INCR and EXPIRE in one transaction; what was counted, this time too. */
  increment(key: string, expirySeconds: number): Promise<number>;
  /** GET; what was counted so far, 0 where nothing was. */
  read(key: string): Promise<number>;
  /** Runs a script of Lua in one go (EVAL); what it returns. */
  run(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
}

/** Whose limit it is: that of all, or the one that a listener, by its number, has for itself. Two limits do not count together. */
export type LimitPlace = 'port' | number;

const minuteMs = 60_000;

/** Of a limit by the minute of the clock others can count in the same store: the proxy of the seed, whose keys have no place for whose limit it is. */
export function canBeJoined({ per, window }: Pick<RateLimitSettings, 'per' | 'window'>): boolean {
  return window === 'fixed' && per === minuteMs;
}

/** The key of a count, and how long that is kept. */
interface Kept {
  readonly key: string;
  readonly expirySeconds: number;
}

/** As the seed's proxy has them, whose counts it shares. A second less: the key of this minute is gone before the same minute of the next hour. */
function minuteKey(client: string, number: number): Kept {
  return { key: `${client}|${number % 60}`, expirySeconds: 59 };
}

function windowKey(client: string, number: number, per: number, place: LimitPlace): Kept {
  return { key: `ociregistry|${place}|${per}|${number}|${client}`, expirySeconds: Math.ceil(per / 1000) };
}

/** So many requests in each window of all processes that share the counts. INCR, EXPIRE. */
export class SharedFixedWindow implements Counter {
  readonly #settings: Pick<RateLimitSettings, 'requests' | 'per'>;
  readonly #counts: SharedCounts;
  readonly #clock: Clock;
  readonly #place: LimitPlace | 'joined';

  /** `joined`: it is the one that others count in too; {@link canBeJoined}. */
  constructor(
    settings: Pick<RateLimitSettings, 'requests' | 'per'>,
    counts: SharedCounts,
    { clock, place }: { readonly clock: Clock; readonly place: LimitPlace | 'joined' },
  ) {
    this.#settings = settings;
    this.#counts = counts;
    this.#clock = clock;
    this.#place = place;
  }

  async count(client: string): Promise<Allowance> {
    const { key, expirySeconds, leftMs } = this.#keptFor(client);
    const count = await this.#counts.increment(key, expirySeconds);
    return allowanceIn(count, this.#settings.requests, leftMs);
  }

  async isOver(client: string): Promise<boolean> {
    return (await this.#counts.read(this.#keptFor(client).key)) >= this.#settings.requests;
  }

  #keptFor(client: string): Kept & { readonly leftMs: number } {
    const { per } = this.#settings;
    const { number, leftMs } = windowAt(this.#clock.now(), per);
    const kept =
      this.#place === 'joined' ? minuteKey(client, number) : windowKey(client, number, per, this.#place);
    return { ...kept, leftMs };
  }
}

/**
 * {@link SlidingWindow} of several processes: a hash of parts and their counts, by the clock of the server, since theirs differ. KEYS[1]: whose; ARGV: requests,
 * milliseconds of a window, parts of it, how many to count (1, or 0 to look). Returns whether it was one too many, what is counted, and milliseconds until less is.
 */
const slidingScript = `
local requests, per, parts = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local part = math.floor(now * parts / per)
local counts = redis.call('HGETALL', KEYS[1])
local sum, first = 0, part
for at = 1, #counts, 2 do
  local its = tonumber(counts[at])
  if its < part - parts then
    redis.call('HDEL', KEYS[1], counts[at])
  else
    sum = sum + tonumber(counts[at + 1])
    if its < first then first = its end
  end
end
local over = 1
if sum < requests then
  over = 0
  if ARGV[4] == '1' then
    sum = sum + 1
    redis.call('HINCRBY', KEYS[1], part, 1)
    redis.call('PEXPIRE', KEYS[1], math.ceil(per + per / parts))
  end
end
return { over, sum, math.ceil((first + parts + 1) * per / parts - now) }
`;

/** So many requests in any stretch of time of this length, of all processes that share the counts. */
export class SharedSlidingWindow implements Counter {
  readonly #settings: Pick<RateLimitSettings, 'requests' | 'per'>;
  readonly #counts: SharedCounts;
  readonly #place: LimitPlace;

  constructor(
    settings: Pick<RateLimitSettings, 'requests' | 'per'>,
    counts: SharedCounts,
    place: LimitPlace,
  ) {
    this.#settings = settings;
    this.#counts = counts;
    this.#place = place;
  }

  async count(client: string): Promise<Allowance> {
    return await this.#run(client, 1);
  }

  async isOver(client: string): Promise<boolean> {
    return (await this.#run(client, 0)).isOver;
  }

  async #run(client: string, counted: 0 | 1): Promise<Allowance> {
    const { requests, per } = this.#settings;
    const key = `ociregistry|${this.#place}|${requests}/${per}|${client}`;
    const values = [requests, per, windowParts, counted].map(String);
    const [over, sum, resetMs] = numbersIn(await this.#counts.run(slidingScript, [key], values));
    return { isOver: over === 1, remaining: Math.max(0, requests - sum), resetMs };
  }
}

function numbersIn(reply: unknown): readonly [number, number, number] {
  if (!Array.isArray(reply) || reply.length !== 3 || !reply.every((one) => typeof one === 'number'))
    throw new Error('the counter has answered what it was not asked for');
  return reply as unknown as [number, number, number];
}
