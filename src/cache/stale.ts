import { abortable } from '../base/abortable.ts';
import type { Clock } from '../base/clock.ts';
import { Busy } from '../oci/busy.ts';
import { RegistryError } from '../oci/error.ts';
import type { Outcome } from '../oci/outcome.ts';
import type { AnswerRoom } from '../oci/registry.ts';
import type { CachePolicy } from './cache-parts.ts';
import { isAbsent } from './memory/negative-cache.ts';

/**
 * Waits for upstream while something stale could be served instead: not longer than the policy's deadline. The work
 * goes on when the waiting ends. Throws UNAVAILABLE (504) at the deadline. `hasStale` is asked then, since it costs something to
 * say: where there is nothing the waiting goes on. Default: there is.
 */
export async function patiently<Value>(
  work: Promise<Value>,
  policy: CachePolicy,
  clock: Clock,
  signal: AbortSignal | undefined,
  hasStale: () => Promise<boolean> = async () => true,
): Promise<Value> {
  if (!policy.staleIfError) return await abortable(work, signal);
  const waiting = new AbortController();
  const deadline = clock.sleep(policy.staleDeadline, waiting.signal).then(async () => {
    if (!(await hasStale())) return await work;
    throw new RegistryError('UNAVAILABLE', `upstream did not answer within ${policy.staleDeadline} ms`, {
      status: 504,
    });
  });
  work.catch(() => {});
  deadline.catch(() => {});
  try {
    return await abortable(Promise.race([work, deadline]), signal);
  } finally {
    waiting.abort();
  }
}

/** May what is read of the store wait for room in memory? */
export type When = 'at once' | 'when there is room';

/** Has what is read of the store room for so many bytes? */
export async function hasRoom(room: AnswerRoom, bytes: number, when: When): Promise<boolean> {
  return room.cover(bytes) || (when === 'when there is room' && (await room.wait(bytes)));
}

/** How an answer came about that is given in the place of upstream's. Throws the error where none may be, or there is none. */
export function outcomeOfFallback(error: unknown, isKnown: boolean, policy: CachePolicy): Outcome {
  if (!isKnown || !(error instanceof RegistryError)) throw error;
  if (isAbsent(error) ? policy.onGone === 'notFound' : !policy.staleIfError) throw error;
  return { kind: 'stale', cause: staleCause(error) };
}

/** A few words for Cache-Status and the log: what kept upstream from being asked, or its answer from being read. */
export function staleCause(error: unknown): string {
  if (isAbsent(error)) return 'gone upstream';
  if (!(error instanceof RegistryError)) return 'upstream failed';
  if (error instanceof Busy) return 'this server is busy';
  if (error.status === 504) return 'upstream timed out';
  if (error.status === 429) return 'upstream limits requests';
  if (error.status === 403) return 'upstream denied access';
  if (error.status === 413 || error.status === 415) return 'upstream has what cannot be served';
  return 'upstream unavailable';
}
