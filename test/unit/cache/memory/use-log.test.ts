import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silent } from '#src/base/log.ts';
import { TaskSet } from '#src/base/task-set.ts';
import { UseLog } from '#src/cache/memory/use-log.ts';
import { sha256 } from '#src/oci/digest.ts';
import type { Use } from '#src/storage/records.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { scriptedIndex } from '#test/fakes/scripted-index.ts';

const alpine = repository('docker.io/library/alpine');
const digests = Array.from({ length: 9000 }, (_, at) => sha256(Buffer.from(`${at}`)));

describe('when manifests were served', () => {
  it('is written by one at a time, and of few in advance, while the index takes nothing', async () => {
    const free = Promise.withResolvers<void>();
    const written: Use[] = [];
    let [running, most] = [0, 0];
    const metadata = scriptedIndex(() => ({
      change: async ([operation]) => {
        running += 1;
        most = Math.max(most, running);
        await free.promise;
        if (operation?.kind === 'record uses') written.push(...operation.uses);
        running -= 1;
      },
    }));
    const tasks = new TaskSet({ ...silent, error: (_, message) => assert.fail(message) });
    const uses = new UseLog(metadata, new FakeClock(), tasks);
    for (const digest of digests) uses.note(alpine, digest);
    free.resolve();
    await uses[Symbol.asyncDispose]();
    await tasks[Symbol.asyncDispose]();
    assert.equal(most, 1);
    assert.deepEqual(
      written.map(({ digest }) => digest),
      digests.slice(0, 4000),
    );
  });

  it('is written in its order: what was used again is used last', async () => {
    const written: Use[] = [];
    const metadata = scriptedIndex(() => ({
      change: async ([operation]) => {
        if (operation?.kind === 'record uses') written.push(...operation.uses);
      },
    }));
    const [clock, tasks] = [new FakeClock(), new TaskSet(silent)];
    const uses = new UseLog(metadata, clock, tasks);
    const [index, child] = digests;
    for (const digest of [index, child, index]) {
      uses.note(alpine, digest ?? assert.fail());
      await clock.advance(1);
    }
    await uses[Symbol.asyncDispose]();
    await tasks[Symbol.asyncDispose]();
    assert.deepEqual(
      written.map(({ digest }) => digest),
      [child, index],
    );
  });
});
