import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SyncTurns } from '#src/storage/file/sync-turns.ts';

const nobody = new AbortController().signal;

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Asks for turns and says who has had one, in turn. */
function turnsUnderTest() {
  const turns = new SyncTurns();
  const had: string[] = [];
  const running = new Map<string, Disposable>();
  const take = async (name: string, given: Promise<Disposable>) => {
    running.set(name, await given);
    had.push(name);
  };
  return {
    turns,
    had,
    small: (name: string) => void take(name, turns.small()),
    large: (name: string, signal = nobody) => take(name, turns.large(signal)),
    end: async (name: string) => {
      running.get(name)?.[Symbol.dispose]();
      await turn();
    },
  };
}

describe('the turns of those who sync', () => {
  it('are three at a time, large and small ones together', async () => {
    const { had, small, large, end } = turnsUnderTest();
    void large('large');
    for (const name of ['a', 'b', 'c', 'd']) small(name);
    await turn();
    assert.deepEqual(had, ['large', 'a', 'b']);
    await end('large');
    await end('a');
    assert.deepEqual(had, ['large', 'a', 'b', 'c', 'd']);
  });

  it('go to a single large one at a time, in the order they came', async () => {
    const { had, large, end } = turnsUnderTest();
    for (const name of ['first', 'second', 'third']) void large(name);
    await turn();
    assert.deepEqual(had, ['first']);
    await end('first');
    await end('second');
    assert.deepEqual(had, ['first', 'second', 'third']);
  });

  it('are given to who has several files as far as they are free, and given back together', async () => {
    const { turns, had, small, large, end } = turnsUnderTest();
    void large('large');
    await turn();
    const several = await turns.several();
    assert.equal(several.count, 2);
    small('a');
    small('b');
    const next = turns.several();
    await turn();
    assert.deepEqual(had, ['large']);
    several[Symbol.dispose]();
    await turn();
    assert.deepEqual(had, ['large', 'a', 'b']);
    await end('a');
    const { count, ...rest } = await next;
    assert.equal(count, 1);
    rest[Symbol.dispose]();
    await end('b');
    await end('large');
    assert.equal((await turns.several()).count, 3);
  });

  it('go to a small one before a large one that came earlier', async () => {
    const { had, small, large, end } = turnsUnderTest();
    for (const name of ['a', 'b', 'c']) small(name);
    void large('large');
    small('d');
    await turn();
    await end('a');
    assert.deepEqual(had, ['a', 'b', 'c', 'd']);
    await end('b');
    assert.deepEqual(had, ['a', 'b', 'c', 'd', 'large']);
  });

  it('pass over a large one that does not want its turn any more', async () => {
    const { had, large, end } = turnsUnderTest();
    void large('first');
    const gone = new AbortController();
    const second = assert.rejects(large('second', gone.signal), /gone/);
    void large('third');
    gone.abort(new Error('gone'));
    await second;
    await assert.rejects(large('fourth', gone.signal), /gone/);
    await turn();
    await end('first');
    assert.deepEqual(had, ['first', 'third']);
  });
});
