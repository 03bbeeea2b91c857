import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OneOfAll } from '#src/base/one-of-all.ts';

const { signal } = new AbortController();

describe('work that is done one piece at a time', () => {
  it('is done in the order of how many of his wait already, so that a crowd of one keeps out nobody else', async () => {
    const all = new OneOfAll();
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    let running = 0;
    const work = (name: string) => async (): Promise<void> => {
      running += 1;
      assert.equal(running, 1, 'one at a time');
      await gate.promise;
      order.push(name);
      running -= 1;
    };
    const crowd = [1, 2, 3].map(async (at) => await all.run('crowd', signal, work(`crowd ${at}`)));
    const single = all.run('single', signal, work('single'));
    const other = all.run('other', signal, work('other'));
    gate.resolve();
    await Promise.all([...crowd, single, other]);
    assert.deepEqual(order, ['crowd 1', 'single', 'other', 'crowd 2', 'crowd 3']);
  });

  it('is not waited for by whoever has left, and goes on behind what fails', async () => {
    const all = new OneOfAll();
    const gate = Promise.withResolvers<void>();
    const first = all.run('a', signal, async () => {
      await gate.promise;
      throw new Error('failed');
    });
    const leaving = new AbortController();
    const left = all.run('a', leaving.signal, async () => assert.fail('it was not waited for'));
    leaving.abort(new Error('left'));
    await assert.rejects(left, /left/);
    const last = all.run('a', signal, async () => 'done');
    gate.resolve();
    await assert.rejects(first, /failed/);
    assert.equal(await last, 'done');
  });
});
