import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { bodied, failing, on } from '#test/fakes/upstream-faults.ts';
import { type ColdBlob, ColdBlobs, rangeOf, readAll } from './support/cold-blobs.ts';
import { until } from './support/until.ts';

const mebibyte = 1024 * 1024;
const size = 64 * mebibyte;
const half = size / 2;
/** What of each piece is asked for anew, and what was on its way where a connection was closed. Bytes. */
const anew = 4 * mebibyte;

/** Half of a blob has come when its reader leaves, with a part of the other half. */
async function halfFilled(cold: ColdBlobs): Promise<ColdBlob> {
  const blob = cold.put(size);
  const response = await cold.open(blob);
  response.resume();
  response.on('error', () => undefined);
  await cold.get(blob, rangeOf(50 * mebibyte, 52 * mebibyte - 1));
  const inOrder = () => cold.link.requests(blob.digest)[0]?.end ?? 0;
  await until('half of it has come', async () => inOrder() > half);
  response.destroy();
  return blob;
}

describe('a blob of which half has come when the process ends', { concurrency: true }, () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    it(`by ${signal} goes on where it was, for whoever reads from the first byte`, async () => {
      let held: PromiseWithResolvers<void> | undefined;
      const holding = bodied(async function* (body) {
        await held?.promise;
        yield* body;
      });
      const settings = { cache: { complete: false } };
      await using cold = await ColdBlobs.start({ rate: 12_000_000, faults: [holding], settings });
      const blob = await halfFilled(cold);
      if (signal === 'SIGKILL')
        await until('some is on record', async () => (await cold.recordedBytes()) > 2 * mebibyte);
      await cold.server.stop(signal);
      await cold.rests(blob);
      // A record of what is on the disk is written now and then, and in the end where there is one.
      const recorded = await cold.recordedBytes();
      assert.ok(recorded > (signal === 'SIGTERM' ? half - mebibyte : 2 * mebibyte), `${recorded}`);
      const before = cold.link.carried(blob.digest);
      await cold.server.startAgain();

      held = Promise.withResolvers();
      const response = await cold.open(blob);
      await once(response, 'readable');
      assert.ok(response.read(1000) !== null, 'its first bytes are here');
      held.resolve();
      const { isCut } = await readAll(response);
      assert.ok(!isCut);
      assert.ok(await cold.stores(blob));
      const after = cold.link.carried(blob.digest) - before;
      assert.ok(after <= size - recorded + anew, `${after} though ${recorded} were here`);
      assert.ok((await cold.get(blob)).body.equals(blob.bytes));
    });

  it('is nothing for a repository that may not see it', async () => {
    const faults = [on('GET /v2/closed/', failing(403, {}, 'DENIED')), on('HEAD /v2/closed/', failing(403))];
    await using cold = await ColdBlobs.start({
      rate: 12_000_000,
      faults,
      settings: { cache: { complete: false } },
    });
    const blob = await halfFilled(cold);
    await cold.server.stop('SIGTERM');
    await cold.server.startAgain();
    const before = cold.link.carried(blob.digest);
    for (const range of [undefined, 'bytes=0-99', rangeOf(50 * mebibyte, 50 * mebibyte + 99)]) {
      const refused = await cold.get(blob, range, 'closed/app');
      assert.equal(refused.status, 403);
      assert.ok(!refused.body.includes(blob.bytes.subarray(0, 64)));
    }
    assert.equal(cold.link.carried(blob.digest), before);
    assert.ok((await cold.get(blob)).body.equals(blob.bytes));
    // What was refused to the one has not cost the other what was here.
    assert.ok(cold.link.carried(blob.digest) - before < half + anew, 'it goes on');
  });
});
