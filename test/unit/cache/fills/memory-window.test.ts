import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MemoryWindow } from '#src/cache/fills/memory-window.ts';
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
            window.push(all.subarray(window.end, window.end + length), { mayKeep: length % 2 === 0 });
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

  it('keeps small chunks in one piece with the one that they lie behind, and gives that back once', () => {
    const returned: number[] = [];
    const giveBack = ({ byteLength }: Uint8Array) => void returned.push(byteLength);
    const memory = Buffer.from(bytes(300_000));
    const window = new MemoryWindow();
    const push = (length: number) =>
      window.push(memory.subarray(window.end, window.end + length), { mayKeep: true, giveBack });
    for (const length of [20_000, 1, 100, 5000]) push(length);
    const reader = window.read({ first: 0, last: 299_999 });
    const seen = reader.next().value;
    // Whoever is at the piece has no more of it, and finds the rest behind it.
    for (const length of [7, 70_000]) push(length);
    assert.equal(seen?.length, 25_101);
    window.drop(window.end);
    assert.deepEqual(returned, []);
    assert.ok(memory.subarray(0, 25_101).equals(seen));
    reader.next();
    assert.deepEqual(returned, [95_108]);
  });

  it('keeps no more in one piece than is given back soon', () => {
    const memory = Buffer.from(bytes(3_000_000));
    const window = new MemoryWindow();
    for (let at = 0; at < memory.length; at += 20_000)
      window.push(memory.subarray(at, at + 20_000), { mayKeep: true });
    window.drop(memory.length, 500_000);
    assert.ok(window.end - window.start < 800_000, `${window.end - window.start} bytes are kept`);
  });

  it('copies into the same memory again, but into none that somebody reads', (t) => {
    const all = Buffer.from(bytes(16_000_000));
    const made = t.mock.method(Buffer, 'allocUnsafeSlow');
    const window = new MemoryWindow();
    const push = (length: number) => window.push(all.subarray(window.end, window.end + length));
    push(500_000);
    const paused = window.read({ first: 0, last: all.length });
    const seen = paused.next().value;
    while (window.end < all.length) {
      push(10_000);
      window.drop(window.end, 500_000);
    }
    assert.ok(made.mock.callCount() < 10, `${made.mock.callCount()} pieces of memory`);
    assert.ok(all.subarray(0, seen?.length).equals(seen ?? all));
    const { start } = window;
    assert.ok(Buffer.concat(window.from(start, all.length)).equals(all.subarray(start)));
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

  describe('gives a kept chunk back', () => {
    const chunk = (letter: string) => Buffer.alloc(20_000, letter);

    function lending() {
      const returned: string[] = [];
      const giveBack = (bytes: Uint8Array) => {
        returned.push(String.fromCharCode(bytes[0] ?? 0));
        bytes.fill(0);
      };
      const window = new MemoryWindow();
      for (const letter of 'abc') window.push(chunk(letter), { mayKeep: true, giveBack });
      return { window, returned, giveBack };
    }

    it('when it is dropped, once', () => {
      const { window, returned } = lending();
      window.drop(40_000);
      window.drop(40_000);
      window.drop(60_000);
      assert.deepEqual(returned, ['a', 'b', 'c']);
    });

    it('at once when it was copied', () => {
      const { window, returned, giveBack } = lending();
      window.push(Buffer.from('d'), { mayKeep: true, giveBack });
      assert.deepEqual(returned, ['d']);
      assert.equal(Buffer.concat(window.from(60_000, 9)).toString(), 'd');
    });

    it('not before its last reader has asked for the next one, who then finds only what is still there', () => {
      const { window, returned } = lending();
      const readers = [1, 2].map(() => window.read({ first: 0, last: 59_999 }));
      const seen = readers.map((reader) => reader.next().value);
      window.drop(40_000);
      assert.deepEqual(returned, ['b']);
      readers[0]?.next();
      assert.deepEqual(returned, ['b']);
      for (const bytes of seen) assert.ok(chunk('a').equals(bytes ?? chunk('x')));
      assert.equal(readers[1]?.next().done, true);
      assert.deepEqual(returned, ['b', 'a']);
    });

    it('whose memory is then detached, and its last reader goes on at the next one', () => {
      const window = new MemoryWindow();
      const giveBack = ({ buffer }: Uint8Array) => void (buffer as ArrayBuffer).transfer();
      for (const letter of 'ab')
        window.push(Buffer.allocUnsafeSlow(20_000).fill(letter), { mayKeep: true, giveBack });
      const reader = window.read({ first: 0, last: 39_999 });
      reader.next();
      window.drop(20_000);
      assert.ok(chunk('b').equals(reader.next().value ?? chunk('x')));
    });

    it('never when a reader left at it, who may still be sending it', () => {
      const { window, returned } = lending();
      const reader = window.read({ first: 0, last: 59_999 });
      reader.next();
      reader.return(undefined);
      window.drop(60_000);
      assert.deepEqual(returned, ['b', 'c']);
    });
  });
});
