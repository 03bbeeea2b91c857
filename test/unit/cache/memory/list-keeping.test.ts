import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TaskSet } from '#src/base/task-set.ts';
import { ListKeeping } from '#src/cache/memory/list-keeping.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

/** Storing on a disk that ends nothing until it is told to. */
function slowDisk() {
  const stored: string[] = [];
  const waiting: (() => void)[] = [];
  const store = (name: string) => async () => {
    stored.push(name);
    await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { stored, store, end: () => waiting.shift()?.() };
}

describe('lists that are stored for an outage', () => {
  it('are passed over where a slow disk holds others up, and stored again when it has ended', async () => {
    const tasks = new TaskSet(new LogLines());
    const keeping = new ListKeeping(tasks, 100);
    const { stored, store, end } = slowDisk();
    for (const name of ['a', 'b', 'c']) keeping.keep(50, store(name));
    assert.deepEqual(stored, ['a', 'b']);
    end();
    await new Promise(setImmediate);
    keeping.keep(50, store('d'));
    assert.deepEqual(stored, ['a', 'b', 'd']);
    end();
    end();
    await tasks[Symbol.asyncDispose]();
  });

  it('are stored one at a time where one alone is more than there is room for, and a failure gives its room back', async () => {
    const tasks = new TaskSet(new LogLines());
    const keeping = new ListKeeping(tasks, 100);
    const { stored, store, end } = slowDisk();
    keeping.keep(200, async () => await Promise.reject(new Error('disk')));
    await tasks.idle();
    keeping.keep(200, store('a'));
    keeping.keep(1, store('b'));
    assert.deepEqual(stored, ['a']);
    end();
    await tasks[Symbol.asyncDispose]();
  });
});
