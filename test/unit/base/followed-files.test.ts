import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FollowedFiles } from '#src/base/followed-files.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

/** What is made of a file: how often it was read. From `held` on reading waits for `answer`. */
async function followed() {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const file = join(path, 'file');
  await writeFile(file, 'one');
  const clock = new FakeClock();
  const told: string[] = [];
  let answered: PromiseWithResolvers<void> | undefined;
  let times = 0;
  const make = async (): Promise<number> => {
    await answered?.promise;
    times += 1;
    return times;
  };
  const files = new FollowedFiles({
    files: [file],
    make,
    clock,
    onBroken: (error) => told.push(String(error)),
  });
  assert.equal(await files.check(), 1);
  const opened = stack.move();
  return {
    ...{ files, clock, told },
    async change() {
      answered = Promise.withResolvers();
      await writeFile(file, 'another');
    },
    answer: () => answered?.resolve(),
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

describe('files that are followed', () => {
  it('are looked at once for all who ask at once, and all have what they say now', async () => {
    await using one = await followed();
    await one.change();
    const asked = [one.files.check(), one.files.check(), one.files.check()];
    await one.clock.untilSleeping();
    one.answer();
    assert.deepEqual(await Promise.all(asked), [2, 2, 2]);
    assert.deepEqual(one.told, [], 'nothing was wrong');
  });

  it('are waited for two seconds where they do not answer, and then by nobody until they do', async () => {
    await using one = await followed();
    await one.change();
    const asked = [one.files.check(), one.files.check()];
    await one.clock.untilSleeping();
    await one.clock.advance(2000);
    assert.deepEqual(await Promise.all(asked), [1, 1]);
    assert.equal(await one.files.check(), 1, 'without a wait');
    assert.match(one.told.join(), /^Error: the file system does not answer for [^,]+$/, 'told once');
    one.answer();
    while (one.files.made === 1) await new Promise(setImmediate);
    assert.equal(await one.files.check(), 2);
  });
});
