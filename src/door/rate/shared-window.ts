import type { Clock } from '../../base/clock.ts';
import { allowanceIn, windowOf } from './fixed-window.ts';
import type { Allowance, Counter, RateLimitSettings } from './rate-limit.ts';
import { windowParts } from './sliding-window.ts';

/** What is counted for several processes, in Redis. Each rejects where that cannot be reached. */
export interface SharedCounts {
  /** INCR and EXPIRE in one transaction; what was counted, this time too. */
  increment(key: string, expirySeconds: number): Promise<number>;
  /** Runs a script of Lua in one go (EVAL); what it returns. */
  run(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
}

/** In the keys and by the commands that the seed's proxy has, whose counts it shares: `<client>|<minute of the hour>`, INCR, EXPIRE 59. */
export class SharedFixedWindow implements Counter {
  readonly #settings: Pick<RateLimitSettings, 'requests' | 'per'>;
  readonly #counts: SharedCounts;
  readonly #clock: Clock;

  constructor(settings: Pick<RateLimitSettings, 'requests' | 'per'>, counts: SharedCounts, clock: Clock) {
    this.#settings = settings;
    this.#counts = counts;
    this.#clock = clock;
  }

  async count(client: string): Promise<Allowance> {
    const { requests, per } = this.#settings;
    const { key, leftMs } = windowOf(client, per, this.#clock.now());
    // A second less: the key of this minute is gone before the same minute of the next hour.
    const count = await this.#counts.increment(key, Math.max(1, Math.floor(per / 1000) - 1));
    return allowanceIn(count, requests, leftMs);
  }
}

/**
 * {@link SlidingWindow} of several processes: a hash of parts and their counts, by the clock of the server, since theirs differ. KEYS[1]: whose; ARGV: requests,
 * milliseconds of a window, parts of it. Returns whether it was one too many, what is counted, and milliseconds until less is.
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
  sum = sum + 1
  redis.call('HINCRBY', KEYS[1], part, 1)
  redis.call('PEXPIRE', KEYS[1], math.ceil(per + per / parts))
end
return { over, sum, math.ceil((first + parts + 1) * per / parts - now) }
`;

/** So many requests in any stretch of time of this length, of all processes that share the counts. */
export class SharedSlidingWindow implements Counter {
  readonly #settings: Pick<RateLimitSettings, 'requests' | 'per'>;
  readonly #counts: SharedCounts;

  constructor(settings: Pick<RateLimitSettings, 'requests' | 'per'>, counts: SharedCounts) {
    this.#settings = settings;
    this.#counts = counts;
  }

  async count(client: string): Promise<Allowance> {
    const { requests, per } = this.#settings;
    const key = `ociregistry|${requests}/${per}|${client}`;
    const values = [requests, per, windowParts].map(String);
    const [over, sum, resetMs] = numbersIn(await this.#counts.run(slidingScript, [key], values));
    return { isOver: over === 1, remaining: Math.max(0, requests - sum), resetMs };
  }
}

function numbersIn(reply: unknown): readonly [number, number, number] {
  if (!Array.isArray(reply) || reply.length !== 3 || !reply.every((one) => typeof one === 'number'))
    throw new Error('the counter has answered what it was not asked for');
  return reply as unknown as [number, number, number];
}
