import type { FakeClock } from './fake-clock.ts';

/** Moves time on as long as somebody waits for it who did not before, and waits for the rest. */
export async function waited<Value>(clock: FakeClock, work: Promise<Value>): Promise<Value> {
  const before = clock.pausing;
  const over = work.then(
    () => true,
    () => true,
  );
  const soon = async (): Promise<boolean> => await new Promise((resolve) => setImmediate(resolve, false));
  while (!(await Promise.race([over, soon()]))) if (clock.pausing > before) await clock.advance(100);
  return await work;
}
