import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type ColdBlob, ColdBlobs, type PartAnswer, rangeOf } from './support/cold-blobs.ts';
import { lazyPullers } from './support/lazy-pullers.ts';
import { until } from './support/until.ts';

const mebibyte = 1024 * 1024;
/** What may have been on its way to a busy machine when a connection of upstream was closed. Bytes. */
const onItsWay = mebibyte;

/** That an answer has just these bytes of the blob. */
function assertPart({ status, body, isCut }: PartAnswer, { bytes }: ColdBlob, range: string): void {
  assert.equal(status, 206, range);
  assert.ok(!isCut, `${range} is whole`);
  const ranges = [...range.matchAll(/(\d*)-(\d*)/g)].map(([, first = '', last = '']) =>
    first === '' ? bytes.subarray(-Number(last)) : bytes.subarray(Number(first), Number(last) + 1),
  );
  const [one, ...others] = ranges;
  if (others.length === 0) assert.ok(one !== undefined && body.equals(one), range);
  else for (const each of ranges) assert.ok(body.includes(each), range);
}

describe('parts of a cold blob behind a slow upstream', { concurrency: true }, () => {
  let cold: ColdBlobs;
  before(async () => {
    cold = await ColdBlobs.start({ rate: 4_000_000 });
  });
  after(async () => await cold[Symbol.asyncDispose]());

  it('come before what lies before them, and cost upstream each byte once', async () => {
    // So slow that a busy machine cannot be late.
    await using cold = await ColdBlobs.start({ rate: 1_000_000 });
    const blob = cold.put(24 * mebibyte);
    const range = rangeOf(20 * mebibyte, 21 * mebibyte - 1);
    const part = await cold.get(blob, range);
    assertPart(part, blob, range);
    assert.equal(part.headers['cache-control'], 'no-store');
    const [inOrder] = cold.link.requests(blob.digest);
    assert.ok(inOrder !== undefined && inOrder.end < 20 * mebibyte, `${inOrder?.end}`);

    const end = await cold.get(blob, 'bytes=-51');
    assertPart(end, blob, 'bytes=-51');
    assert.ok(inOrder.end < 20 * mebibyte, `${inOrder.end}`);

    cold.link.rate = 10_000_000;
    const whole = await cold.get(blob);
    assert.ok(whole.body.equals(blob.bytes));
    assert.ok(await cold.stores(blob));
    assert.match((await cold.get(blob, range)).headers['cache-control'] ?? '', /immutable/);
    // What came in order was asked for again behind each of the two.
    assert.equal(cold.asked(blob).length, 4, `${cold.asked(blob)}`);
    assert.equal(cold.link.askedTwice(blob.digest), 0);
  });

  it('are complete before a whole answer is, which ends when the digest was right', async () => {
    const blob = cold.put(24 * mebibyte);
    const response = await cold.open(blob);
    let got = 0;
    response.on('data', (chunk: Buffer) => (got += chunk.length));
    const last = rangeOf(blob.bytes.length - 1000, blob.bytes.length - 1);
    assertPart(await cold.get(blob, last), blob, last);
    assert.ok(got < blob.bytes.length - 65_536, `${got}`);
    assert.ok(!cold.isStored(blob));
    await until('the whole is here', async () => got === blob.bytes.length);
    assert.ok(await cold.stores(blob));
  });

  for (const puller of lazyPullers)
    it(`cost each byte once in ${puller.name}'s order, from several clients at a time`, async () => {
      const blob = cold.put(13 * mebibyte + 4321);
      const pull = async (): Promise<void> => {
        for (const batch of puller.batches(blob.bytes.length))
          await Promise.all(batch.map(async (range) => assertPart(await cold.get(blob, range), blob, range)));
      };
      const whole = cold.get(blob);
      await Promise.all([pull(), pull(), pull()]);
      assert.ok((await whole).body.equals(blob.bytes));
      assert.ok(await cold.stores(blob));
      await cold.rests(blob);
      const most = cold.link.closedEarly(blob.digest) * onItsWay;
      const twice = cold.link.askedTwice(blob.digest);
      assert.ok(twice <= most, `${twice} bytes: ${cold.asked(blob)}`);
    });

  it('end soon at upstream when their client leaves', async () => {
    const blob = cold.put(40 * mebibyte);
    const response = await cold.open(blob, 'bytes=8388608-');
    await new Promise((resolve) => response.once('data', resolve));
    response.destroy();
    await until('the part is over', async () => cold.link.requests(blob.digest).at(-1)?.isOver === true);
    const part = cold.link.requests(blob.digest).at(-1);
    assert.ok(part !== undefined && part.first === 8 * mebibyte);
    assert.ok(part.end < 24 * mebibyte, `${part.end}`);
  });

  it('are refused beyond its end, and given where they are small or several, beside a HEAD', async () => {
    const blob = cold.put(12 * mebibyte);
    const size = blob.bytes.length;
    const far = 'bytes=9000000-9000009';
    const several = 'bytes=0-9,7000000-7000099,12582900-12582911';
    const [first, beyond, ahead, some, head] = await Promise.all([
      cold.get(blob, 'bytes=0-0'),
      cold.get(blob, `bytes=${size}-`),
      cold.get(blob, far),
      cold.get(blob, several),
      fetch(cold.urlOf(blob), { method: 'HEAD' }),
    ]);
    assertPart(first, blob, 'bytes=0-0');
    assertPart(ahead, blob, far);
    assertPart(some, blob, several);
    assert.equal(some.headers['cache-control'], 'no-store');
    assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, `bytes */${size}`]);
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(size)]);
    assert.ok(await cold.stores(blob));
  });

  it('cost a bounded number of requests where 200 clients want 200 of them', async () => {
    const blob = cold.put(20 * mebibyte);
    const step = Math.floor(blob.bytes.length / 200);
    const ranges = Array.from({ length: 200 }, (_, at) => rangeOf(at * step, at * step + 999));
    await Promise.all(
      ranges.toReversed().map(async (range) => assertPart(await cold.get(blob, range), blob, range)),
    );
    assert.ok(await cold.stores(blob));
    // Where the next one is already here a part ends there; what came in order may go on behind each.
    assert.ok(cold.asked(blob).length <= 2 * 200 + 1, `${cold.asked(blob).length}`);
    assert.ok(cold.link.mostOf(blob.digest) <= 5, `${cold.link.mostOf(blob.digest)} at a time`);
  });
});
