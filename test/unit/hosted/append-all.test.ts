import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { appendAll } from '#src/hosted/append-all.ts';
import { BlobHasher, sha256 } from '#src/oci/digest.ts';
import type { SentBytes } from '#src/oci/pushes.ts';
import { Ranges } from '#src/storage/ranges.ts';
import type { Spool } from '#src/storage/spool-store.ts';
import { sent } from '#test/fakes/hosted-under-test.ts';

/** A spool whose writes end when the test says so. */
class SlowSpool {
  readonly ranges = new Ranges();
  readonly writes: string[] = [];
  readonly #waiting: (() => void)[] = [];

  async write(at: number, ...chunks: readonly Uint8Array[]): Promise<void> {
    this.writes.push(Buffer.concat(chunks).toString());
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.ranges.add(at, at + Buffer.concat(chunks).length);
  }

  async endOne(): Promise<void> {
    this.#waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function oneByte(): SentBytes {
  return sent(Buffer.from('a'));
}

const room = { bytes: Number.POSITIVE_INFINITY, grow: async () => true };

describe('what is appended to a spool', () => {
  it('ends where there is no room for more, and what was written before stays', async () => {
    const spool = new SlowSpool();
    const small = { bytes: 1, grow: async (bytes: number) => bytes <= 1 };
    const chunks = (async function* () {
      for (const text of ['a', 'b']) yield Buffer.from(text);
    })();
    const appending = appendAll(spool as unknown as Spool, { chunks }, undefined, small);
    appending.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    await spool.endOne();
    await assert.rejects(appending, { code: 'UNAVAILABLE', status: 507 });
    assert.deepEqual(spool.writes, ['a']);
  });

  it('has room to its last byte, though there is none to spare', async () => {
    const spool = new SlowSpool();
    const tight = { bytes: 0, grow: async (bytes: number) => bytes <= 3 };
    spool.ranges.add(0, 2);
    const appending = appendAll(spool as unknown as Spool, oneByte(), undefined, tight);
    await new Promise((resolve) => setImmediate(resolve));
    await spool.endOne();
    await appending;
    await assert.rejects(appendAll(spool as unknown as Spool, oneByte(), undefined, tight), { status: 507 });
    assert.deepEqual(spool.writes, ['a']);
  });

  it('goes together that comes while the disk is busy, in its order, and is hashed as it comes', async () => {
    const spool = new SlowSpool();
    const hasher = new BlobHasher();
    const chunks = (async function* () {
      for (const text of ['a', 'b', 'c']) yield Buffer.from(text);
    })();
    const appending = appendAll(spool as unknown as Spool, { chunks }, hasher, room);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([spool.writes, hasher.size], [['a'], 3]);
    await spool.endOne();
    assert.deepEqual(spool.writes, ['a', 'bc']);
    await spool.endOne();
    await appending;
    assert.equal(hasher.verify().digest, sha256(Buffer.from('abc')));
  });

  it('is told to be used when it is written and hashed, and not before', async () => {
    const spool = new SlowSpool();
    const hasher = new BlobHasher();
    const used: string[] = [];
    const tell = (some: readonly Uint8Array[]): void => {
      used.push(Buffer.concat(some).toString());
      for (const chunk of some) chunk.fill(0);
    };
    const source = sent(...['a', 'b', 'c'].map((text) => Buffer.from(text)));
    const appending = appendAll(spool as unknown as Spool, { ...source, used: tell }, hasher, room);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(used, []);
    await spool.endOne();
    assert.deepEqual(used, ['a']);
    await spool.endOne();
    await appending;
    assert.deepEqual(used, ['a', 'bc']);
    assert.equal(hasher.verify().digest, sha256(Buffer.from('abc')));
  });

  it('is all written that came before its source failed, when that is told', async () => {
    const spool = new SlowSpool();
    const chunks = (async function* () {
      for (const text of ['a', 'b']) yield Buffer.from(text);
      throw new Error('the client has left');
    })();
    let isTold = false;
    const appending = appendAll(spool as unknown as Spool, { chunks }, undefined, room).finally(() => {
      isTold = true;
    });
    appending.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    await spool.endOne();
    assert.equal(isTold, false);
    await spool.endOne();
    await assert.rejects(appending, /has left/);
    assert.equal(spool.ranges.endFrom(0), 2);
  });
});
