import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Clock, systemClock } from '#src/base/clock.ts';
import { turnMs } from '#src/base/turns.ts';
import { openInMemory } from '#src/storage/sqlite/open-database.ts';
import { SqliteImageGraph } from '#src/storage/sqlite/sqlite-image-graph.ts';
import { SqliteInventory } from '#src/storage/sqlite/sqlite-inventory.ts';

const rows = 20_000;

/** Each look at it takes a turn's time: whoever looks behind a step lets others have their turn behind it. */
function slowClock(): Clock {
  let time = 0;
  return { ...systemClock, monotonic: () => (time += turnMs) };
}

/** Repositories of a manifest each, of which an index in `a/index` names so many that no root is among the first. */
const filling = `
  insert into repositories values (1, 'a/index', 'a');
  with recursive ids(id) as (select 2 union all select id + 1 from ids where id < ${rows})
    insert into repositories select id, 'b/' || id, 'b' from ids;
  with recursive ids(id) as (select 1 union all select id + 1 from ids where id < ${rows})
    insert into contents (id, digest, size, stored_at) select id, 'sha256:' || printf('%064x', id), 10, 1 from ids;
  insert into manifests select 1, id, 'x/y', 10, null, null, null, 'upstream', id, id from contents;
  insert into children select 1, ${rows}, id, 1, 10 from contents where id < ${rows};
`;

describe('an inventory that finds little among much', () => {
  async function turnsDuring<Value>(work: Promise<Value>): Promise<{ value: Value; turns: number }> {
    const state = { turns: 0, isDone: false };
    const count = async (): Promise<void> => {
      for (; !state.isDone; state.turns += 1) await setImmediate();
    };
    const counting = count();
    const value = await work.finally(() => (state.isDone = true));
    await counting;
    return { value, turns: state.turns };
  }

  function underTest() {
    const database = openInMemory();
    database.exec(filling);
    return {
      inventory: new SqliteInventory(database, slowClock()),
      graph: new SqliteImageGraph(database, slowClock()),
      [Symbol.dispose]: () => void database.close(),
    };
  }

  it('looks for roots some hundred rows at a time', async () => {
    using it = underTest();
    const { value, turns } = await turnsDuring(it.graph.roots({ limit: 10 }));
    assert.equal(value.length, 1);
    assert.ok(turns >= rows / 500, String(turns));
  });

  it('lets others in between images, and between repositories that have none', async () => {
    using it = underTest();
    const images = await turnsDuring(it.inventory.images({ limit: 100 }));
    assert.ok(images.turns >= 100, String(images.turns));
    const after = { repository: 'a/index', digest: `sha256:${rows.toString(16).padStart(64, '0')}` } as never;
    const none = await turnsDuring(it.inventory.images({ after, limit: 10 }));
    assert.deepEqual(none.value, []);
    assert.ok(none.turns >= rows / 2, String(none.turns));
  });
});
