import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FillFollowers, type ReadRange } from '#src/cache/fills/fill-followers.ts';
import { FillFront } from '#src/cache/fills/fill-front.ts';
import { FillRun } from '#src/cache/fills/fill-run.ts';
import { FillRuns } from '#src/cache/fills/fill-runs.ts';
import { FillTape } from '#src/cache/fills/fill-tape.ts';
import type { Stretch } from '#src/cache/fills/stretch.ts';
import { sha256 } from '#src/oci/digest.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import type { Spool } from '#src/storage/spool-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const mebibyte = 1024 * 1024;
const note = { digest: sha256(Buffer.from('any')), scope: 'docker.io' };

/** A tape whose slowest reader is where the test says, and what of it is held in memory. Without `write` it is not stored. */
function tapeUnderTest(write?: () => Promise<void>) {
  const store = new MemoryBlobStore();
  const begin = async (): Promise<Spool> => {
    if (write === undefined) throw new Error('no room');
    const spool = await store.begin();
    const writeNow = spool.write.bind(spool);
    spool.write = async (...all) => {
      await write();
      await writeNow(...all);
    };
    return spool;
  };
  const spools = { hurry() {}, reopen: async () => undefined, begin };
  const reader = { at: Number.POSITIVE_INFINITY };
  const lowest = ({ end }: ReadRange) => Math.min(end, reader.at);
  const tape = new FillTape({ spools, note, clock: new FakeClock(), lowest });
  const held = { bytes: 0 };
  const append = async (
    stretch: Stretch,
    bytes: number,
    slow: (signal: AbortSignal) => Promise<void> = async () => await new Promise(() => {}),
  ) => {
    held.bytes += bytes;
    const giveBack = ({ length }: Uint8Array): void => {
      held.bytes -= length;
    };
    const ownership = { mayKeep: true, giveBack };
    return await tape.append(
      stretch,
      Buffer.alloc(bytes),
      ownership,
      false,
      new AbortController().signal,
      slow,
    );
  };
  return { spools, tape, reader, held, append };
}

describe('a blob that passes by in pieces', () => {
  it('is not held in memory once its readers are further', async () => {
    const { tape, reader, held, append } = tapeUnderTest();
    reader.at = 0;
    for (let piece = 0; piece < 4; piece += 1) {
      const stretch = tape.begin(piece * mebibyte);
      await append(stretch, mebibyte);
      stretch.over();
    }
    assert.equal(held.bytes, 4 * mebibyte);
    reader.at = 4 * mebibyte;
    tape.wake();
    assert.equal(held.bytes, 0);
  });

  it('waits for a slow reader as it does where it comes in one', async () => {
    const { tape, reader, held, append } = tapeUnderTest();
    reader.at = 0;
    const isSlow = Promise.withResolvers<'slow'>();
    const slow = async () => {
      isSlow.resolve('slow');
      await new Promise(() => {});
    };
    for (let piece = 0; piece < 20; piece += 1) {
      const stretch = tape.begin(piece * mebibyte);
      const came = append(stretch, mebibyte, slow).then(() => 'came');
      if ((await Promise.race([isSlow.promise, came])) === 'slow') break;
      stretch.over();
    }
    assert.equal(held.bytes, 8 * mebibyte);
  });
});

describe('a reader who does not read of what passes by', () => {
  it('is dropped after half a minute, though all that he wants came in an earlier piece', async () => {
    const { spools } = tapeUnderTest();
    const clock = new FakeClock();
    const alpine = repository('docker.io/library/alpine');
    const followers = new FillFollowers(new Set([alpine]), clock);
    const slow = followers.join(alpine, 0, true);
    slow.until = 7 * mebibyte;
    const other = followers.join(alpine, 7 * mebibyte, true);
    const shared = new FillTape({ spools, note, clock, lowest: (range) => followers.lowest(range) });
    const front = new FillFront(note.digest, shared);
    const parts = { tape: shared, front, followers, runs: new FillRuns(), clock };
    const { signal } = new AbortController();
    for (const [origin, length] of [
      [0, 7 * mebibyte],
      [7 * mebibyte, mebibyte],
    ] as const) {
      using run = new FillRun(origin, Number.POSITIVE_INFINITY, parts);
      const taking = run.take(Buffer.alloc(length), {}, false, signal);
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.ok(followers.has(slow));
      if (origin > 0) await clock.advance(30_000);
      await taking;
    }
    assert.deepEqual([followers.has(slow), followers.has(other)], [false, true]);
  });
});

describe('the memory of a blob that comes in many parts', () => {
  it('is bounded, however slowly each is read, and all of it can be read', async () => {
    const { tape, reader, held, append } = tapeUnderTest(async () => {});
    reader.at = 0;
    for (let part = 0; part < 64; part += 1) {
      const stretch = tape.begin(2 * part * mebibyte);
      await append(stretch, mebibyte / 2);
      stretch.over();
      tape.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(held.bytes > 0 && held.bytes <= 4 * mebibyte, `${held.bytes}`);
    for (let first = 0; first < 128 * mebibyte; first += 2 * mebibyte) {
      let read = 0;
      for await (const { length } of tape.read({ first, last: first + mebibyte / 2 - 1 })) read += length;
      assert.equal(read, mebibyte / 2);
    }
  });
});

describe('the memory of bytes that are being written', () => {
  it('is given back to nobody before they are, though they are to pass by meanwhile', async () => {
    const disk = gate();
    const { tape, held, append } = tapeUnderTest(async () => await disk.wait());
    const stretch = tape.begin(0);
    const appended = append(stretch, 2 * mebibyte);
    await disk.reached;
    await tape.keep(new Error('the transfer has failed'));
    tape.wake();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(held.bytes, 2 * mebibyte);
    disk.open();
    await appended;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(held.bytes, 0);
  });
});
