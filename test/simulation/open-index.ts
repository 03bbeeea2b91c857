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

/** The index for a new life of the server, with what earlier lives wrote and crashes left, and what another process has written that has it open. */
export async function openIndex(
  world: World,
  life: Life,
  clock: Clock,
  stack: AsyncDisposableStack,
): Promise<OpenIndex> {
  const trash = new SimulatedTrash(world.disk, life);
  const store = stack.use(await world.scheduler.outside(async () => await opened(world, clock, trash)));
  trash.isUsed = true;
  const { graph, inventory } = store;
  const { scheduler, plan } = world;
  const { syncMs, ignoresSync = false } = plan.disk;
  const settings = { scheduler, syncMs, ignoresSync, isDeaf: plan.isDeaf === true };
  const metadata = world.indexLog.watching(store, life, settings);
  return { metadata, graph, inventory, trash };
}

async function opened(world: World, clock: Clock, discarded: SimulatedTrash): Promise<Opened> {
  if (world.plan.index === 'sqlite') return await openFile(world, clock, discarded);
  const store = SqliteMetadataStore.inMemory({ clock, discarded });
  await world.indexLog.replay(store);
  return store;
}

type Opened = Pick<SqliteMetadataStore, 'graph' | 'inventory'> & MetadataStore & AsyncDisposable;

async function openFile(world: World, clock: Clock, discarded: SimulatedTrash): Promise<Opened> {
  const { indexDirectory, indexLog, indexHistory, plan, time } = world;
  const { path, isNew } = await indexDirectory.enter();
  const store = await SqliteMetadataStore.open(path, { clock, discarded });
  const close = store[Symbol.asyncDispose].bind(store);
  store[Symbol.asyncDispose] = async () => {
    await close();
    await indexDirectory.leave();
  };
  if (isNew) await indexLog.replay(store);
  if (isNew && plan.isShared) await indexHistory.noteAll(store, time);
  return store;
}
