import { retryAfterMs } from '../../net/retry-after.ts';

/** How often an account may still pull: `remaining` of `limit` in a window whose begin nobody tells. */
export interface Quota {
  readonly limit: number;
  readonly remaining: number;
  readonly windowMs: number;
}

type Headers = Readonly<Record<string, string>>;

const maxWindowMs = 31 * 86_400_000;
/** What kubelet waits at most between two pulls of an image: whoever waits for a pull loses next to nothing by this rest. */
const exhaustedMs = 300_000;

/**
 * The quota by `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600` (Docker Hub, "Pull rate limit"). Undefined
 * where one is missing or they make no sense together: then nothing is known, which is no quota of zero.
 */
export function quotaIn(headers: Headers): Quota | undefined {
  const limit = counted(headers['ratelimit-limit']);
  const remaining = counted(headers['ratelimit-remaining']);
  if (limit === undefined || remaining === undefined || limit.windowMs !== remaining.windowMs)
    return undefined;
  const { count, windowMs } = limit;
  if (count === 0 || remaining.count > count || windowMs === 0 || windowMs > maxWindowMs) return undefined;
  return { limit: count, remaining: remaining.count, windowMs };
}

/**
 * Milliseconds that a 429 asks to be left alone: its Retry-After; else, where it says that the quota is used up, five minutes,
 * because asking again within minutes is of no use then. Undefined: it does not say, and a short rest may do (Docker Hub's
 * limit against abuse has neither).
 */
export function limitedMs(headers: Headers, now: number): number | undefined {
  const saidMs = retryAfterMs(headers['retry-after'], now);
  if (saidMs !== undefined) return saidMs;
  const quota = quotaIn(headers);
  return quota?.remaining === 0 ? Math.min(quota.windowMs, exhaustedMs) : undefined;
}

function counted(header: string | undefined): { count: number; windowMs: number } | undefined {
  const [, count, seconds] = /^(\d{1,9});w=(\d{1,9})$/.exec(header?.trim() ?? '') ?? [];
  if (count === undefined || seconds === undefined) return undefined;
  return { count: Number(count), windowMs: Number(seconds) * 1000 };
}
