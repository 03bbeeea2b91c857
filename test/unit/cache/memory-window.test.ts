import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MemoryWindow } from '#src/cache/memory-window.ts';
import { bytes } from '#test/fakes/images.ts';

describe('MemoryWindow', () => {
  it('gives back any range that was not dropped, however it was cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 10 }),
        fc.nat(),
        fc.nat(),
        fc.nat(),
        (lengths, a, b, dropped) => {
          const all = bytes(lengths.reduce((sum, length) => sum + length, 0));
          const window = new MemoryWindow();
          for (const length of lengths)
            window.push(all.subarray(window.end, window.end + length), length % 2 === 0);
          window.drop(dropped % all.length);
          assert.ok(window.start <= dropped % all.length);
          const [first, last] = [a % all.length, b % all.length].sort((x, y) => x - y) as [number, number];
          const read = Buffer.concat([...window.read({ first, last })]);
          assert.ok(read.equals(first < window.start ? Buffer.alloc(0) : all.subarray(first, last + 1)));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('does not share memory with what was pushed', () => {
    const window = new MemoryWindow();
    const chunk = Buffer.from('abc');
    window.push(chunk);
    chunk.fill('x');
    assert.equal(Buffer.concat(window.from(0, 10)).toString(), 'abc');
  });

  it('keeps as much as it is told to', () => {
    const window = new MemoryWindow();
    window.push(bytes(3_000_000));
    window.drop(3_000_000, 1_000_000);
    assert.ok(window.start > 1_000_000 && window.end - window.start >= 1_000_000);
    window.drop(3_000_000);
    assert.equal(window.start, 3_000_000);
    assert.equal(window.from(0, 10).length, 0);
  });

  it('never gives a reader who paused the memory that younger bytes were put into', () => {
    const all = Buffer.from(bytes(8_000_000));
    const window = new MemoryWindow();
    window.push(all.subarray(0, 2_000_000));
    let at = 0;
    for (const part of window.read({ first: 0, last: all.length })) {
      assert.ok(all.subarray(at, at + part.length).equals(part), `other bytes at ${at}`);
      at += part.length;
      window.drop(window.end, 500_000);
      window.push(all.subarray(window.end, window.end + 1_000_000));
    }
    assert.ok(at > 0 && at < window.start);
  });
});
