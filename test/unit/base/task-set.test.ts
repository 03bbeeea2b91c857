import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silent } from '#src/base/log.ts';
import { TaskSet } from '#src/base/task-set.ts';

describe('work that nobody waits for', () => {
  it('is waited for at the end, with what it begins meanwhile', async () => {
    const tasks = new TaskSet(silent);
    const [one, other] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const done: string[] = [];
    tasks.run('one', async () => {
      await one.promise;
      tasks.run('other', async () => {
        await other.promise;
        done.push('other');
      });
      done.push('one');
    });
    const ended = tasks[Symbol.asyncDispose]().then(() => done.push('end'));
    one.resolve();
    other.resolve();
    await ended;
    assert.deepEqual(done, ['one', 'other', 'end']);
  });

  it('is not begun behind the end: what it needs is closed', async () => {
    const tasks = new TaskSet(silent);
    await tasks[Symbol.asyncDispose]();
    let isBegun = false;
    tasks.run('late', async () => {
      isBegun = true;
    });
    assert.equal(isBegun, false);
  });
});
