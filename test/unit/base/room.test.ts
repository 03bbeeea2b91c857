import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Room } from '#src/base/room.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

function made({ most = 10, mostOfOne = 10 } = {}) {
  const clock = new FakeClock();
  return { clock, room: new Room({ clock, most, mostOfOne }) };
}

/** Takes, and notes who had it when. */
function asking(room: Room) {
  const order: string[] = [];
  const ask = async (name: string, bytes: number, { owner = name, held = 0 } = {}): Promise<boolean> => {
    const has = await room.take(owner, bytes, held);
    order.push(`${name}${has ? '' : ' not'}`);
    return has;
  };
  return { order, ask };
}

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

describe('room in memory', () => {
  it('is taken at once where there is some, and nobody waits for that', () => {
    const { room } = made();
    assert.deepEqual([room.tryTake('a', 6), room.tryTake('b', 5), room.tryTake('c', 4)], [true, false, true]);
    assert.deepEqual([room.taken, room.waiting], [10, 0]);
  });

  it('goes to who came first, also where one who came later needs less', async () => {
    const { room } = made();
    const { order, ask } = asking(room);
    room.force('x', 8);
    const all = [ask('first', 6), ask('second', 1), ask('third', 3)];
    await turn();
    assert.deepEqual([order, room.tryTake('fourth', 1)], [[], false]);
    room.giveBack('x', 4);
    await turn();
    assert.deepEqual(order, ['first']);
    room.giveBack('x', 4);
    await Promise.all(all);
    assert.deepEqual([order, room.taken], [['first', 'second', 'third'], 10]);
  });

  it('is waited for ten seconds, not longer', async () => {
    const { room, clock } = made();
    const { order, ask } = asking(room);
    room.force('x', 10);
    const all = [ask('first', 1)];
    await clock.advance(9000);
    all.push(ask('second', 1));
    await clock.advance(999);
    assert.deepEqual(order, []);
    await clock.advance(1);
    assert.deepEqual([order, room.waiting], [['first not'], 1]);
    room.giveBack('x', 1);
    assert.deepEqual(await Promise.all(all), [false, true]);
    assert.deepEqual([room.taken, clock.sleeping], [10, 0]);
  });

  it('is waited for no longer than who waits wants to, whose place goes to the next', async () => {
    const { room } = made();
    const { order, ask } = asking(room);
    room.force('x', 8);
    const leaving = new AbortController();
    const first = room.take('a', 9, 0, leaving.signal);
    const second = ask('second', 2);
    leaving.abort(new Error('gone'));
    await assert.rejects(first, /gone/);
    assert.deepEqual([await second, order], [true, ['second']]);
    await assert.rejects(room.take('a', 1, 0, leaving.signal), /gone/);
  });

  it('has a bounded number who wait, of one owner and of all', async () => {
    const { room, clock } = made();
    room.force('x', 10);
    const waiting = (owner: string, count: number): Promise<boolean>[] =>
      Array.from({ length: count }, async () => await room.take(owner, 1));
    const all = [...waiting('a', 256), ...waiting('b', 256)];
    await turn();
    assert.equal(room.waiting, 512);
    assert.equal(await room.take('c', 1), false);
    const few = made();
    few.room.force('x', 10);
    const some = Array.from({ length: 256 }, async () => await few.room.take('a', 1));
    assert.equal(await few.room.take('a', 1), false);
    const other = few.room.take('b', 1);
    assert.equal(few.room.waiting, 257);
    await Promise.all([clock.advance(10_000), few.clock.advance(10_000)]);
    assert.ok(!(await Promise.all([...all, ...some, other])).includes(true));
  });

  it('is bounded for each owner, who does not stand in the way of others', async () => {
    const { room } = made({ mostOfOne: 5 });
    const { order, ask } = asking(room);
    assert.ok(room.tryTake('a', 4));
    const waits = ask('a again', 4, { owner: 'a' });
    await turn();
    const other = ask('b', 4);
    assert.deepEqual([await other, order], [true, ['b']]);
    room.giveBack('a', 4);
    assert.equal(await waits, true);
  });

  it('holds one that is larger than all of it', async () => {
    const { room } = made();
    assert.ok(room.tryTake('a', 50));
    const next = room.take('b', 50);
    room.giveBack('a', 50);
    assert.equal(await next, true);
  });

  it('goes to who has some already before those who have none', async () => {
    const { room } = made();
    const { order, ask } = asking(room);
    room.force('x', 10);
    const all = [ask('new', 2), ask('growing', 2, { held: 1 })];
    await turn();
    room.giveBack('x', 2);
    await turn();
    assert.deepEqual(order, ['growing']);
    room.giveBack('x', 2);
    await Promise.all(all);
  });

  it('does not end where all who have some wait for more: the first of them goes on', async () => {
    const { room } = made();
    const { order, ask } = asking(room);
    room.force('a', 5);
    room.force('b', 5);
    const first = ask('a', 3, { held: 5 });
    await turn();
    assert.deepEqual(order, []);
    const second = ask('b', 3, { held: 5 });
    assert.equal(await first, true);
    assert.deepEqual(order, ['a']);
    room.giveBack('a', 8);
    assert.equal(await second, true);
  });

  it('of others is not waited for by whoever is held up by the bound of one owner alone', async () => {
    const { room } = made({ most: 20, mostOfOne: 8 });
    const { order, ask } = asking(room);
    room.force('a', 8);
    const growing = ask('growing', 4, { owner: 'a', held: 2 });
    const coming = ask('coming', 4, { owner: 'a' });
    await turn();
    assert.ok(room.tryTake('b', 4));
    assert.ok(room.tryTake('b', 2, 4));
    assert.deepEqual([await ask('c', 4), order], [true, ['c']]);
    room.giveBack('a', 6);
    assert.equal(await growing, true);
    room.giveBack('a', 6);
    assert.equal(await coming, true);
  });

  it('does not end where all that one owner has waits for more of its own, whatever others have', async () => {
    const { room } = made({ most: 30, mostOfOne: 10 });
    const { order, ask } = asking(room);
    room.force('b', 5);
    room.force('a', 10);
    const first = ask('first', 3, { owner: 'a', held: 5 });
    await turn();
    assert.deepEqual(order, []);
    const second = ask('second', 3, { owner: 'a', held: 5 });
    assert.equal(await first, true);
    assert.deepEqual(order, ['first']);
    room.giveBack('a', 8);
    assert.equal(await second, true);
  });
});
