import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MemoryWindow } from '#src/cache/memory-window.ts';

const forever = new AbortController().signal;
const never = () => new Promise<void>(() => {});

describe('MemoryWindow', () => {
  it('gives back any range that readers have not passed, however it was cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1000),
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 20 }),
        fc.nat(),
        fc.nat(),
        async (start, chunks, a, b) => {
          const window = new MemoryWindow({ start, lowest: () => start });
          for (const chunk of chunks) await window.append(chunk, forever, never);
          const all = Buffer.concat(chunks);
          const [first, last] = [a % all.length, b % all.length].sort((x, y) => x - y) as [number, number];
          const read = Buffer.concat([...window.read({ first: start + first, last: start + last })]);
          assert.deepEqual(read, all.subarray(first, last + 1));
        },
      ),
    );
  });

  it('waits while a reader is too far behind and drops what all have passed', async () => {
    let lowest = 0;
    const window = new MemoryWindow({ start: 0, lowest: () => lowest, capacity: 10 });
    await window.append(Buffer.from('0123456789'), forever, never);
    let appended = false;
    const waiting = window.append(Buffer.from('ab'), forever, never).then(() => {
      appended = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(appended, false);
    lowest = 10;
    window.wake();
    await waiting;
    assert.equal(window.start, 10);
    assert.equal(window.end, 12);
  });

  it('stops waiting when it is aborted', async () => {
    const window = new MemoryWindow({ start: 0, lowest: () => 0, capacity: 1 });
    await window.append(Buffer.from('x'), forever, never);
    const stop = new AbortController();
    const waiting = window.append(Buffer.from('y'), stop.signal, never);
    stop.abort(new Error('stopping'));
    window.wake();
    await assert.rejects(waiting, /stopping/);
  });
});
