import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#src/base/clock.ts';
import type { ImageGraph } from '#src/storage/image-graph.ts';
import type { Inventory } from '#src/storage/inventory.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import type { Life } from './life.ts';
import { SimulatedTrash } from './simulated-trash.ts';
import type { World } from './world.ts';

export interface OpenIndex {
  readonly metadata: MetadataStore;
  readonly graph: ImageGraph;
  readonly inventory: Inventory;
  readonly trash: SimulatedTrash;
}

/** The index for a new life of the server, with what earlier lives wrote and crashes left. */
export async function openIndex(
  world: World,
  life: Life,
  clock: Clock,
  stack: AsyncDisposableStack,
): Promise<OpenIndex> {
  const trash = new SimulatedTrash(world.disk, clock);
  const store = stack.use(
    world.plan.index === 'memory'
      ? SqliteMetadataStore.inMemory({ clock, discarded: trash })
      : await world.scheduler.outside(async () => await openSqlite(clock, trash, stack)),
  );
  await world.scheduler.outside(async () => await world.indexLog.replay(store));
  trash.isUsed = true;
  const { graph, inventory } = store;
  const settings = { scheduler: world.scheduler, syncMs: world.plan.disk.syncMs };
  const metadata = world.indexLog.watching(store, life, settings);
  return { metadata, graph, inventory, trash };
}

async function openSqlite(
  clock: Clock,
  discarded: SimulatedTrash,
  stack: AsyncDisposableStack,
): Promise<SqliteMetadataStore> {
  const directory = await mkdtemp(join(tmpdir(), 'simulation-'));
  stack.defer(async () => await rm(directory, { recursive: true }));
  return await SqliteMetadataStore.open(directory, { clock, discarded });
}
