import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const warmUps = 30;

/** How much more V8's heap holds for good when so many were made and kept, garbage left out. Bytes. */
export async function heapHeldBy(count: number, make: () => unknown): Promise<number> {
  const kept: unknown[] = [];
  // Code that is compiled and what is remembered once are not counted.
  for (let made = 0; made < warmUps; made += 1) await make();
  collect();
  const before = process.memoryUsage().heapUsed;
  while (kept.length < count) kept.push(await make());
  collect();
  const held = process.memoryUsage().heapUsed - before;
  if (kept.length !== count) throw new Error('they have to be there until here');
  return held;
}

function collect(): void {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('globalThis.gc');
  setFlagsFromString('--no-expose-gc');
  gc();
}
