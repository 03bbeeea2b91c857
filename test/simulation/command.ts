import { openFiles } from './composition.ts';
import { checkRemoval } from './deletions.ts';
import type { Job } from './job-parts.ts';
import { clockOf, Life } from './life.ts';
import { openIndex } from './open-index.ts';
import { SimulatedFiles } from './simulated-files.ts';
import type { World } from './world.ts';

/** A process beside the servers, for as long as a job takes. Undefined: it was killed, after so long, or the power was cut. */
export async function runCommand<Value>(
  world: World,
  name: string,
  killedAfter: number | undefined,
  job: Job<Value>,
): Promise<Value | undefined> {
  const life = new Life(world.scheduler, `${name}: `);
  const files = new SimulatedFiles({
    disk: world.disk,
    life,
    random: world.random.fork(`disk of ${name}`),
    pace: world.plan.disk,
    isFull: () => world.isFull,
    onOpen() {},
    onRemove: (path, content) => checkRemoval(world, path, content),
  });
  world.files.add(files);
  world.commands.add(life);
  if (killedAfter !== undefined) life.after(killedAfter, 'is killed', () => life.crash());
  const closing = new AsyncDisposableStack();
  try {
    return await Promise.race([working(), life.crashed.then(() => undefined)]);
  } finally {
    life.crash();
    world.commands.delete(life);
    world.files.delete(files);
    await world.scheduler.outside(async () => await closing.disposeAsync());
  }

  async function working(): Promise<Value> {
    const clock = clockOf(life);
    const index = await openIndex(world, life, clock, closing);
    await using blobs = await openFiles(files, clock, world.owners.of(life), index);
    const { signal } = new AbortController();
    const stores = { content: blobs, spools: blobs, uploads: blobs.uploads };
    return await job({ ...index, ...stores, clock, changed() {}, signal });
  }
}
