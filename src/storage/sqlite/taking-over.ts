import { startThread } from '../../base/thread.ts';
import { StoreFullError } from '../content-store.ts';
import { DamagedIndexError } from './sqlite-errors.ts';
import type { Order, Report } from './take-over-thread.ts';

/** So long an older server may keep the older index for itself: it may be about to end. Milliseconds. */
const usualHeldMs = 60_000;
/** Of the thread's heap, in which there are keys of some thousand rows. Megabytes. */
const limits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 };

export interface TakingOver {
  /** What is done, or waited for, in words; `isNews`: it is something else than before, and not only further. */
  readonly says?: ((what: string, isNews: boolean) => void) | undefined;
  /** How long an older server may keep the older index for itself. Milliseconds. */
  readonly heldMs?: number | undefined;
}

/**
 * Makes the index of this version from an older one, which stays as it is, in a thread: it takes a minute or more for a large cache. A
 * process that is ended meanwhile leaves what it has made to the next. Several processes may try at once: one does, the others wait. Throws
 * StoreFullError, saying how much is missing where, and what else keeps it from being done, with what to do about it.
 */
export async function takeOver(
  order: Order,
  { says = () => {}, heldMs = usualHeldMs }: TakingOver,
): Promise<void> {
  const thread = startThread(import.meta, 'take-over-thread', { limits, data: order });
  const over = Promise.withResolvers<void>();
  let heldSince: number | undefined;
  let latest = '';
  thread.on('message', (report: Report) => {
    if ('isOver' in report) over.resolve();
    else if ('failed' in report) over.reject(errorOf(report, order));
    else {
      const kind = 'waitsFor' in report ? report.waitsFor : 'progress';
      says(wordsFor(report, order), kind !== latest);
      latest = kind;
    }
    if (!('waitsFor' in report) || report.waitsFor !== 'older') return;
    heldSince ??= performance.now();
    if (performance.now() - heldSince >= heldMs)
      over.reject(new Error(`${heldBy(order)}, then start this one again`));
  });
  thread.on('error', (error) => over.reject(error));
  thread.on('exit', () => over.reject(new Error(`the thread that takes over ${order.older} has ended`)));
  try {
    await over.promise;
  } finally {
    await thread.terminate();
  }
}

function wordsFor(report: Report, order: Order): string {
  if ('progress' in report) {
    const { done, total } = report.progress;
    return `taking over the index of an older version${total === 0 ? '' : `: ${done} of ${total}`}`;
  }
  return 'waitsFor' in report && report.waitsFor === 'older'
    ? heldBy(order)
    : `another server is taking over ${order.older}: waiting for it`;
}

function heldBy({ older }: Order): string {
  return `${older} is in use by an older server that does not share it (network file system): stop that one`;
}

function errorOf({ failed, message }: Extract<Report, { failed: unknown }>, { older }: Order): Error {
  if (failed === 'damage') return new DamagedIndexError(older, message);
  return failed === 'room' ? new StoreFullError(message) : new Error(message);
}
