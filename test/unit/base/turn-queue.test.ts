import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TurnQueue } from '#src/base/turn-queue.ts';

const mebibyte = 1024 * 1024;
const job = (owner: string, name: string, size = 1) => ({
  owner,
  name,
  bytes: { length: size } as Uint8Array,
});

function all(queue: TurnQueue<ReturnType<typeof job>>): string[] {
  const names: string[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) names.push(next.name);
  return names;
}

describe('what waits', () => {
  it('is taken from one owner after the other, of each what came first', () => {
    const queue = new TurnQueue<ReturnType<typeof job>>();
    for (const [owner, name] of [
      ['a', 'a1'],
      ['a', 'a2'],
      ['a', 'a3'],
      ['b', 'b1'],
      ['c', 'c1'],
      ['b', 'b2'],
    ] as const)
      assert.ok(queue.add(job(owner, name)));
    assert.deepEqual(all(queue), ['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
    assert.deepEqual(all(queue), []);
  });

  it('is bounded in bytes, of one owner and of all, and has room again for what was taken', () => {
    const queue = new TurnQueue<ReturnType<typeof job>>();
    const add = (owner: string): boolean => queue.add(job(owner, owner, 8 * mebibyte));
    assert.deepEqual(['a', 'a', 'a', 'a'].map(add), [true, true, true, false]);
    assert.deepEqual(['b', 'b', 'b', 'c', 'c', 'c'].map(add), [true, true, true, true, true, false]);
    assert.equal(queue.take()?.name, 'a');
    assert.equal(add('a'), true);
    assert.equal(add('d'), false);
  });
});
