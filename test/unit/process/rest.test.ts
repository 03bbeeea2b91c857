import assert from 'node:assert/strict';
import { it } from 'node:test';
import { collectAtRest } from '#src/process/rest.ts';
import { threadTime } from '#src/process/thread-time.ts';

const second = 1_000_000;

/** For so much processor time of this thread. Microseconds. */
function work(time: number): void {
  const end = threadTime() + time;
  while (threadTime() < end);
}

/** So much that nobody holds and V8 has no reason to look for. Bytes. */
function leaveGarbage(): number {
  const before = process.memoryUsage().heapUsed;
  const left: object[] = Array.from({ length: 500_000 }, (_, at) => ({ at }));
  left.length = 0;
  return process.memoryUsage().heapUsed - before;
}

it('what work has left is collected when it is over, and not before, nor behind little work', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  collectAtRest();
  work(1.1 * second);
  const looks = (count: number): number => {
    const before = process.memoryUsage().heapUsed;
    for (let look = 0; look < count; look += 1) t.mock.timers.tick(1000);
    return before - process.memoryUsage().heapUsed;
  };
  const garbage = leaveGarbage();
  assert.ok(looks(5) < garbage / 4, 'it was collected before it rested for so long');
  work(0.1 * second);
  assert.ok(looks(5) < garbage / 4, 'it was collected though there was work between');
  assert.ok(looks(1) > garbage / 2, 'it was not collected');
  leaveGarbage();
  assert.ok(looks(10) < garbage / 4, 'it was collected behind little work');
});
