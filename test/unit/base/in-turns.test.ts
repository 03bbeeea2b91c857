import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { eachInTurns, sortedInTurns } from '#src/base/in-turns.ts';

/** How often others had their turn while the work was done. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await work;
  isDone = true;
  return turns;
}

describe('long work in turns', () => {
  it('is done with each, in order, and lets others in between', async () => {
    const items = Array.from({ length: 10_001 }, (_, at) => at);
    const seen: number[] = [];
    const turns = await turnsDuring(eachInTurns(items, (item) => seen.push(item)));
    assert.deepEqual(seen, items);
    assert.ok(turns >= 4, String(turns));
  });

  it('is one turn where it is short', async () => {
    let isOver = false;
    setImmediate(() => {
      isOver = true;
    });
    await eachInTurns(Array(2000).fill(0), () => {});
    await sortedInTurns(Array(2000).fill('x'));
    assert.equal(isOver, false);
  });

  it('sorts as sort does', async () => {
    const texts = Array.from({ length: 9000 }, (_, at) => `t${(at * 7919) % 4999}`);
    const before = [...texts];
    const sorting = sortedInTurns(texts);
    assert.ok((await turnsDuring(sorting)) >= 4);
    assert.deepEqual(await sorting, texts.toSorted());
    assert.deepEqual(texts, before);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string()), async (some) => {
        assert.deepEqual(await sortedInTurns(some), some.toSorted());
      }),
    );
  });
});
