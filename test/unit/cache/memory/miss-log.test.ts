import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silent } from '#src/base/log.ts';
import { TaskSet } from '#src/base/task-set.ts';
import { MissLog } from '#src/cache/memory/miss-log.ts';
import { parseTag } from '#src/oci/reference.ts';
import type { Operation } from '#src/storage/operation.ts';
import type { Miss } from '#src/storage/records.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { scriptedIndex } from '#test/fakes/scripted-index.ts';

const alpine = repository('docker.io/library/alpine');

/** A log and what it has written, in changes. */
function made(take: (operations: readonly Operation[]) => Promise<void> = async () => {}, log = silent) {
  const changes: (readonly Miss[])[] = [];
  const metadata = scriptedIndex(() => ({
    change: async (operations) => {
      await take(operations);
      for (const operation of operations)
        if (operation.kind === 'record misses') changes.push(operation.misses);
    },
  }));
  const [clock, tasks] = [new FakeClock(), new TaskSet(log)];
  const misses = new MissLog(metadata, clock, tasks);
  const end = async () => {
    await misses[Symbol.asyncDispose]();
    await tasks[Symbol.asyncDispose]();
  };
  return { misses, clock, changes, end };
}

describe('what was missed', () => {
  it('is written ten seconds later, each name once with how often it was', async () => {
    const { misses, clock, changes, end } = made();
    const begun = clock.now();
    misses.note(alpine, parseTag('v1'));
    await clock.advance(1000);
    misses.note(alpine, parseTag('v2'));
    misses.note(alpine, parseTag('v1'));
    await clock.advance(8999);
    assert.deepEqual(changes, []);
    await clock.advance(1);
    const [first, second] = [begun, begun + 1000];
    assert.deepEqual(changes, [
      [
        { repository: alpine, reference: 'v1', times: 2, firstAt: first, lastAt: second },
        { repository: alpine, reference: 'v2', times: 1, firstAt: second, lastAt: second },
      ],
    ]);
    misses.note(alpine, parseTag('v3'));
    assert.equal(misses.count, 4);
    await end();
    assert.equal(changes.length, 2);
  });

  it('is counted and not named where strangers make up too many names', async () => {
    const { misses, changes, end } = made();
    for (let at = 0; at < 5000; at += 1) misses.note(alpine, parseTag(`t${at}`));
    misses.note(alpine, parseTag('t0'));
    assert.equal(misses.count, 5001);
    await end();
    const written = changes.flat();
    assert.deepEqual([written.length, written.find(({ reference }) => reference === 't0')?.times], [1000, 2]);
    assert.ok(changes.every(({ length }) => length <= 100));
  });

  it('is written by one at a time, and again after the index took nothing', async () => {
    const log = new LogLines();
    let isFull = true;
    const take = async (): Promise<void> => {
      if (isFull) throw new Error('no room');
    };
    const { misses, clock, changes, end } = made(take, log);
    misses.note(alpine, parseTag('v1'));
    await clock.advance(10_000);
    assert.match(log.lines.join('\n'), /recording what was missed failed/);
    isFull = false;
    misses.note(alpine, parseTag('v2'));
    await clock.advance(10_000);
    await end();
    assert.deepEqual(
      changes.map((change) => change.map(({ reference }) => reference)),
      [['v2']],
    );
  });
});
