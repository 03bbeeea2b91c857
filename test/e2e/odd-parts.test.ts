import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Fault } from '#test/fakes/upstream-answers.ts';
import {
  bodied,
  cutAfter,
  failing,
  headers,
  rangeIgnored,
  times,
  wrongBytes,
} from '#test/fakes/upstream-faults.ts';
import { ColdBlobs, rangeOf } from './support/cold-blobs.ts';

const mebibyte = 1024 * 1024;
const size = 6 * mebibyte;
const far = rangeOf(4 * mebibyte, 4 * mebibyte + 999_999);
const end = 'bytes=-51';

/** Only for whoever asks for a part. */
function onParts(fault: Fault): Fault {
  return async (request, next) =>
    request.headers.range === undefined ? await next() : await fault(request, next);
}

/** So many bytes a second. */
function dripping(rate: number): Fault {
  return bodied(async function* (body) {
    for await (const chunk of body)
      for (let at = 0; at < chunk.length; at += rate / 10) {
        yield chunk.subarray(at, at + rate / 10);
        await setTimeout(100);
      }
  });
}

const never = async (): Promise<never> => await new Promise<never>(() => undefined);

interface Oddity {
  readonly name: string;
  readonly fault: Fault;
  /** So many requests for the blob at most, the one in order included. */
  readonly most: number;
}

/** The one in order, and one for each of the two that want a part at once. */
const clearNo = 3;
/** The transport asks once more. */
const retried = 5;
/** Three in vain, beside which another is on its way, and what comes in order once more where it met one of them. */
const vain = 6;

const oddities: readonly Oddity[] = [
  { name: 'gives the whole for a part', fault: rangeIgnored, most: clearNo },
  { name: 'refuses a part with 416', fault: failing(416), most: clearNo },
  { name: 'refuses a part with 403', fault: failing(403, {}, 'DENIED'), most: clearNo },
  { name: 'refuses a part with 429', fault: failing(429, { 'Retry-After': '1' }), most: retried },
  { name: 'refuses a part with 501', fault: failing(501), most: vain },
  {
    name: 'says another size with a part',
    fault: headers({ 'Content-Range': `bytes 4194304-5194303/${size + 1}` }),
    most: vain,
  },
  {
    name: 'gives a shorter part than was asked for',
    fault: headers({ 'Content-Range': `bytes 4194304-4194403/${size}`, 'Content-Length': '100' }),
    most: vain,
  },
  { name: 'cuts each part before its first byte', fault: cutAfter(0), most: vain },
  { name: 'cuts each part after 100,000 bytes', fault: cutAfter(100_000), most: 100 },
  { name: 'never answers for a part', fault: never, most: vain },
  { name: 'sends no byte of a part', fault: bodied(never as never), most: vain },
  { name: 'drips parts at 1 KB a second', fault: times(2, dripping(1000)), most: vain },
  { name: 'drips parts at 20 KB a second', fault: times(2, dripping(20_000)), most: vain },
];

describe('an upstream that is odd about parts alone', { concurrency: true }, () => {
  const resources = new AsyncDisposableStack();
  let each: readonly ColdBlobs[];
  before(async () => {
    const upstreams = oddities.map(({ fault }) => ({ rate: 2_000_000, faults: [onParts(fault)] }));
    each = await ColdBlobs.together(upstreams, resources);
  });
  after(async () => await resources.disposeAsync());

  for (const [at, { name, most }] of oddities.entries())
    it(`and ${name} is followed in order`, async () => {
      const cold = each[at] ?? assert.fail();
      const blob = cold.put(size);
      const [part, last, whole] = await Promise.all([
        cold.get(blob, far),
        cold.get(blob, end),
        cold.get(blob),
      ]);
      assert.ok(part.body.equals(blob.bytes.subarray(4 * mebibyte, 4 * mebibyte + 1_000_000)));
      assert.ok(last.body.equals(blob.bytes.subarray(-51)));
      assert.ok(whole.body.equals(blob.bytes));
      assert.ok(await cold.stores(blob));
      assert.ok(cold.asked(blob).length <= most, `${cold.asked(blob)}`);
    });

  it('and gives other bytes for them stores nothing wrong, gives none of it twice, and is believed about no part of the blob after that', async () => {
    await using cold = await ColdBlobs.start({ rate: 4_000_000, faults: [onParts(wrongBytes)] });
    const blob = cold.put(size);
    const [, whole] = await Promise.all([cold.get(blob, far), cold.get(blob)]);
    assert.ok(whole.isCut || whole.status >= 500, `${whole.status}`);
    assert.ok(!cold.isStored(blob));
    const before = cold.link.carried(blob.digest);
    const [part, again] = await Promise.all([cold.get(blob, far), cold.get(blob)]);
    assert.ok(part.body.equals(blob.bytes.subarray(4 * mebibyte, 4 * mebibyte + 1_000_000)));
    assert.ok(again.body.equals(blob.bytes));
    assert.ok(await cold.stores(blob));
    assert.equal(cold.link.carried(blob.digest) - before, size);
  });
});

describe('a registry of which one transfer runs at a time', () => {
  it('gives its parts in order, and keeps nobody waiting for ever', async () => {
    await using cold = await ColdBlobs.start({ rate: 4_000_000, maxConcurrent: 1 });
    const blob = cold.put(size);
    const other = cold.put(mebibyte);
    const [part, last, whole, beside] = await Promise.all([
      cold.get(blob, far),
      cold.get(blob, end),
      cold.get(blob),
      cold.get(other),
    ]);
    assert.ok(part.body.equals(blob.bytes.subarray(4 * mebibyte, 4 * mebibyte + 1_000_000)));
    assert.ok(last.body.equals(blob.bytes.subarray(-51)));
    assert.ok(whole.body.equals(blob.bytes));
    assert.ok(beside.body.equals(other.bytes));
    assert.ok(await cold.stores(blob));
    assert.equal(cold.link.mostOf(blob.digest), 1);
  });
});
