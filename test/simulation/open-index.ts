import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#src/base/clock.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import type { Life } from './life.ts';
import type { World } from './world.ts';

/** The index for a new life of the server, with what earlier lives wrote and crashes left. */
export async function openIndex(
  world: World,
  life: Life,
  clock: Clock,
  stack: AsyncDisposableStack,
): Promise<MetadataStore> {
  const store = stack.use(
    world.plan.index === 'memory'
      ? SqliteMetadataStore.inMemory({ clock })
      : await world.scheduler.outside(async () => await openSqlite(clock, stack)),
  );
  await world.scheduler.outside(async () => await world.indexLog.replay(store));
  return world.indexLog.watching(store, life, { scheduler: world.scheduler, syncMs: world.plan.disk.syncMs });
}

async function openSqlite(clock: Clock, stack: AsyncDisposableStack): Promise<MetadataStore> {
  const directory = await mkdtemp(join(tmpdir(), 'simulation-'));
  stack.defer(async () => await rm(directory, { recursive: true }));
  return await SqliteMetadataStore.open(directory, { clock });
}
