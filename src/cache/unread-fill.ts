import { abortable } from '../abortable.ts';
import type { Clock } from '../clock.ts';
import { RegistryError } from '../oci/error.ts';
import { TimeLimit } from '../time-limit.ts';
import type { BlobFill } from './blob-fill.ts';
import { leastRate } from './completion-job.ts';

/** So long is measured. Milliseconds. */
const windowMs = 60_000;

const over = Symbol('over');

type Watched = Pick<BlobFill, 'done' | 'isOver' | 'isVerified' | 'received'>;

/**
 * Waits for a fill that perhaps nobody reads. Throws UNAVAILABLE where upstream sends less than the least for a minute, and the
 * signal's reason. Once all of it is here only the store is waited for.
 */
export async function waitForUnread(
  fill: Watched,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<void> {
  while (!fill.isOver) {
    const before = fill.received;
    using window = new TimeLimit({ clock, milliseconds: windowMs, reason: () => over, signal });
    await abortable(fill.done, window.signal).catch(() => undefined);
    signal?.throwIfAborted();
    if (isSlow(fill, before))
      throw new RegistryError('UNAVAILABLE', 'upstream sends the blob too slowly to wait for it');
  }
}

function isSlow({ isOver, isVerified, received }: Watched, before: number): boolean {
  return !isOver && !isVerified && received - before < (leastRate * windowMs) / 1000;
}
