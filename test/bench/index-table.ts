import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { loads, makeOlder } from './index-loads.ts';

/** How often it looks whether the event loop is late. Milliseconds: what is shown is in addition to it. */
const resolution = 1;

/** An older index of so many manifests is taken over; then the index is written to. How far each holds up the event loop. */
export async function indexTable(manifests: number): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'ociregistry-bench-'));
  try {
    await makeOlder(directory, manifests);
    await using store = await timed(
      `${manifests} manifests are taken over`,
      async () => await SqliteMetadataStore.open(directory),
    );
    const [older, newer] = await Promise.all(
      ['index.sqlite', 'index-3.sqlite'].map(async (name) => await stat(join(directory, name))),
    );
    console.log(`${(older?.size ?? 0) >> 20} MiB became ${(newer?.size ?? 0) >> 20} MiB`);
    for (const [what, load] of Object.entries(loads)) await timed(what, async () => await load(store));
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function timed<Value>(what: string, work: () => Promise<Value>): Promise<Value> {
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  // Late is what comes after something that was not.
  await setTimeout(20);
  const [startedAt, before] = [performance.now(), process.cpuUsage()];
  const value = await work();
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(before);
  // What comes afterwards is held up as well: a checkpoint.
  await setTimeout(200);
  delay.disable();
  const [p99, most] = [delay.percentile(99) / 1e6 - resolution, delay.max / 1e6 - resolution];
  console.log(
    `${what}: ${seconds.toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s of a core), p99 ${p99.toFixed(1)} ms, most ${most.toFixed(1)} ms`,
  );
  return value;
}
