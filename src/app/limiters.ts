import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { isLimited } from '../config/doors.ts';
import type { Config } from '../config/schema.ts';
import { FixedWindow } from '../door/rate/fixed-window.ts';
import { Limiter, type MaybeCounter } from '../door/rate/limiter.ts';
import type { RateLimitSettings } from '../door/rate/rate-limit.ts';
import { ReachableCounter } from '../door/rate/reachable-counter.ts';
import {
  canBeJoined,
  type LimitPlace,
  type SharedCounts,
  SharedFixedWindow,
  SharedSlidingWindow,
} from '../door/rate/shared-window.ts';
import { SlidingWindow } from '../door/rate/sliding-window.ts';
import { faultOfRedisUrl } from './redis-url.ts';

/** The limits of the doors: the one of all, and those that listeners have for themselves. */
export interface Limiters extends AsyncDisposable {
  /** Undefined: there is none. */
  of(at: LimitPlace): Limiter | undefined;
}

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
}

/** Does not wait for whoever counts: as long as he is away `onStoreError` decides. Throws an Error that names the key for an address that is none. */
export async function openLimiters(config: Config, { clock, log }: Parts): Promise<Limiters> {
  const { rateLimit, listeners } = config;
  await using stack = new AsyncDisposableStack();
  const counts = isLimited(config) ? await sharedCounts(config, stack) : undefined;
  const joined = joinedPlace(config);
  const made = (settings: RateLimitSettings | undefined, place: LimitPlace): Limiter | undefined =>
    settings &&
    new Limiter(settings, counterOf(settings, counts, { clock, log, place, isJoined: place === joined }));
  const common = made(rateLimit, 'port');
  const own = listeners.map((listener, at) => (listener.rateLimit ? made(listener.rateLimit, at) : common));
  const held = stack.move();
  return {
    of: (at) => (at === 'port' ? common : own[at]),
    [Symbol.asyncDispose]: async () => await held.disposeAsync(),
  };
}

/** Of the limits that others can count in one at most is theirs, or two would count together: that of all, else the first of a listener. Undefined: none. */
function joinedPlace({ rateLimit, listeners }: Config): LimitPlace | undefined {
  if (rateLimit !== undefined && canBeJoined(rateLimit)) return 'port';
  const at = listeners.findIndex((listener) => listener.rateLimit && canBeJoined(listener.rateLimit));
  return at === -1 ? undefined : at;
}

/** Its client is loaded where it is configured alone. Undefined: this process counts for itself. */
async function sharedCounts(
  { storage: { coordination } }: Config,
  stack: AsyncDisposableStack,
): Promise<SharedCounts | undefined> {
  const { kind, url } = coordination;
  if (kind !== 'redis' || url === undefined) return undefined;
  // Else the client's own error would have its text, with the password.
  const fault = faultOfRedisUrl(url.reveal());
  if (fault !== undefined) throw new Error(`storage.coordination: the URL ${fault}`);
  const { RedisCounts } = await import('../door/rate/redis-counts.ts');
  return stack.use(new RedisCounts(url.reveal()));
}

function counterOf(
  settings: RateLimitSettings,
  counts: SharedCounts | undefined,
  parts: Parts & { readonly place: LimitPlace; readonly isJoined: boolean },
): MaybeCounter {
  const { window, onStoreError } = settings;
  const { clock, place, isJoined } = parts;
  const own = window === 'fixed' ? new FixedWindow(settings, clock) : new SlidingWindow(settings, clock);
  if (counts === undefined) return own;
  const shared =
    window === 'fixed'
      ? new SharedFixedWindow(settings, counts, { clock, place: isJoined ? 'joined' : place })
      : new SharedSlidingWindow(settings, counts, place);
  return new ReachableCounter(shared, { ...parts, meanwhile: onStoreError === 'allow' ? own : undefined });
}
