import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FakeBody } from '#test/simulation/fake-body.ts';
import { Life } from '#test/simulation/life.ts';
import { Random } from '#test/simulation/random.ts';
import { Scheduler } from '#test/simulation/scheduler.ts';
import { Trace } from '#test/simulation/trace.ts';

const bytes = Buffer.alloc(20_000, 1);

/** Of each piece of a body, whether it lies just behind the one before. */
async function joinsOf(seed: number, meanwhile: () => void): Promise<readonly boolean[]> {
  const scheduler = new Scheduler(new Random(seed), new Trace());
  const body = new FakeBody({
    bytes,
    life: new Life(scheduler),
    random: new Random(seed),
    pace: { answerMs: 1, chunkMs: 1, chunkBytes: 64 },
    stallTimeoutMs: 1000,
    label: 'upstream sends',
    signal: new AbortController().signal,
    breaks: undefined,
    isTakenBack: false,
    over() {},
  });
  const joins: boolean[] = [];
  let isOver = false;
  const reading = async (): Promise<void> => {
    let last: Buffer | undefined;
    for await (const piece of body) {
      joins.push(
        last !== undefined &&
          piece.buffer === last.buffer &&
          piece.byteOffset === last.byteOffset + last.length,
      );
      last = piece;
      meanwhile();
    }
    isOver = true;
  };
  await Promise.all([reading(), scheduler.run(() => isOver)]);
  return joins;
}

it('a body of a simulated upstream lies in memory as the seed has it, whatever else takes some', async () => {
  const alone = await joinsOf(1, () => {});
  const beside = await joinsOf(1, () => Buffer.from('something else'));
  assert.deepEqual(beside, alone);
  assert.ok(alone.includes(true) && alone.includes(false));
});
