import { collectAll } from '../base/collect-all.ts';
import { threadTime } from './thread-time.ts';

/** Milliseconds. */
const lookMs = 1000;
/** Who has used no more between two looks has nothing to do but its timers. Microseconds of processor time, of this thread. */
const resting = 20_000;
/** So many looks on end it rests before anything is collected. */
const looks = 5;
/** Work that leaves too little to be worth a collection. The same. */
const little = 1_000_000;

/**
 * Collects what work has left behind when it is over: V8 would let it lie until there is more work, perhaps for days. It takes some thirty milliseconds, in
 * which nobody is served, and no more than that for each second of work.
 */
export function collectAtRest(): void {
  let [before, collectedAt, quiet] = [threadTime(), 0, 0];
  const look = (): void => {
    const now = threadTime();
    quiet = now - before <= resting ? quiet + 1 : 0;
    before = now;
    if (quiet < looks || now - collectedAt < little) return;
    collectAll();
    before = collectedAt = threadTime();
  };
  setInterval(look, lookMs).unref();
}
