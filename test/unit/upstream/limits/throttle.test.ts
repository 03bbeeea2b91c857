import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { TransportRequest, TransportResponse } from '#src/net/transport.ts';
import { sha256 } from '#src/oci/digest.ts';
import { Bandwidth } from '#src/upstream/limits/bandwidth.ts';
import { ThrottledTransport } from '#src/upstream/limits/throttle.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { stalledAfter } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const blob: TransportRequest = { method: 'GET', url: new URL('https://a.io/blob'), bulk: true };

/** A transport whose one answer has these chunks; says how many were taken from it, and whether it is disposed of. */
function source(chunks: readonly Uint8Array[]) {
  const state = { taken: 0, isDisposed: false };
  const body = Readable.from(
    (function* () {
      for (const chunk of chunks) {
        state.taken += 1;
        yield chunk;
      }
    })(),
    { objectMode: false, highWaterMark: 0 },
  );
  const response: TransportResponse = {
    status: 200,
    headers: { etag: '"x"' },
    url: blob.url,
    body,
    giveBack: () => undefined,
    async [Symbol.asyncDispose]() {
      state.isDisposed = true;
    },
  };
  return { state, response, transport: { send: async () => response } };
}

describe('a throttled body', () => {
  it('has the same bytes and headers, at its pace', async () => {
    const clock = new FakeClock();
    const content = bytes(2500);
    const { transport, response: whole } = source([content.subarray(0, 1700), content.subarray(1700)]);
    const response = await new ThrottledTransport(transport, new Bandwidth(1000, clock)).send(blob);
    assert.deepEqual([response.status, response.headers['etag']], [200, '"x"']);
    assert.equal(response.giveBack, whole.giveBack);
    let length = 0;
    const chunks: Buffer[] = [];
    const reading = (async () => {
      for await (const chunk of response.body) {
        length += chunk.length;
        chunks.push(chunk);
      }
    })();
    await clock.untilSleeping();
    assert.equal(length, 1000);
    for (let step = 0; step < 15; step += 1) await clock.advance(100);
    await reading;
    assert.deepEqual(Buffer.concat(chunks), Buffer.from(content));
  });

  it('knows for how long it was held up, also while it is', async () => {
    const clock = new FakeClock();
    const { transport } = source([bytes(3000)]);
    const response = await new ThrottledTransport(transport, new Bandwidth(1000, clock)).send(blob);
    const reading = collect(response.body);
    await clock.untilSleeping();
    await clock.advance(50);
    assert.equal(response.heldUpMs?.(), 50);
    for (let step = 0; step < 21; step += 1) await clock.advance(100);
    assert.equal((await reading).length, 3000);
    const heldUpMs = response.heldUpMs();
    assert.ok(heldUpMs >= 1900 && heldUpMs <= 2150, `${heldUpMs} ms`);
    await clock.advance(60_000);
    assert.equal(response.heldUpMs(), heldUpMs);
  });

  it('is taken from upstream only as it is read', async () => {
    const clock = new FakeClock();
    const { state, transport } = source(Array.from({ length: 100 }, () => bytes(100)));
    const response = await new ThrottledTransport(transport, new Bandwidth(1000, clock)).send(blob);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(state, { taken: 0, isDisposed: false });
    const reading = collect(response.body).catch(() => undefined);
    await clock.untilSleeping();
    // Ten that have passed, one that waits, and one that the source's own stream holds ready.
    const { taken } = state;
    assert.ok(taken <= 12, `${taken} taken`);
    await response[Symbol.asyncDispose]();
    await reading;
  });

  it('ends at once when it is disposed of while it waits, and lets the others go on', async () => {
    const clock = new FakeClock();
    const bandwidth = new Bandwidth(1000, clock);
    const first = source([bytes(5000)]);
    const second = source([bytes(100)]);
    const left = await new ThrottledTransport(first.transport, bandwidth).send(blob);
    const reading = collect(left.body).then(
      () => 'whole',
      () => 'cut',
    );
    await clock.untilSleeping();
    const other = await new ThrottledTransport(second.transport, bandwidth).send(blob);
    const all = collect(other.body);
    await left[Symbol.asyncDispose]();
    assert.equal(await reading, 'cut');
    assert.equal(first.state.isDisposed, true);
    await clock.untilSleeping();
    assert.equal(clock.sleeping, 1);
    await clock.advance(100);
    assert.equal((await all).length, 100);
  });

  it('ends with the reason of its caller’s signal while it waits', async () => {
    const clock = new FakeClock();
    const { transport } = source([bytes(5000)]);
    const { signal, abort } = abortable();
    const throttled = new ThrottledTransport(transport, new Bandwidth(1000, clock));
    const response = await throttled.send({ ...blob, signal });
    const reading = collect(response.body);
    await clock.untilSleeping();
    abort(new Error('enough'));
    await assert.rejects(reading, /enough/);
    assert.equal(clock.sleeping, 0);
  });

  it('is only that of what may be large', async () => {
    const { transport, response } = source([bytes(5000)]);
    const throttled = new ThrottledTransport(transport, new Bandwidth(1000, new FakeClock()));
    assert.equal(await throttled.send({ ...blob, bulk: false }), response);
  });
});

describe('a client with a bandwidth', () => {
  it('does not take its own pause for upstream’s standing still', async () => {
    const clock = new FakeClock();
    await using test = await UpstreamUnderTest.start({ clock, maxBandwidth: 100_000, stallTimeoutMs: 500 });
    const { registry, upstream, name } = test;
    const layers = [bytes(3_000_000, 1), bytes(300_000, 2)];
    const [slow, stalling] = putImage(upstream.content, name, 'v1', layers).layers;
    assert.ok(slow && stalling);
    await using reader = await registry.getBlob(name, slow.digest);
    const over = new AbortController();
    const outcome = collect(reader.body)
      .catch((error: unknown) => error)
      .finally(() => over.abort());
    await clock.untilSleeping();
    // Another client, without a bandwidth, sees upstream stand still: by then the first has waited for longer.
    await using impatient = await UpstreamUnderTest.start({ stallTimeoutMs: 500 });
    putImage(impatient.upstream.content, impatient.name, 'v1', layers);
    const never = gate();
    impatient.spoil(stalledAfter(10, never.wait));
    await using stalled = await impatient.registry.getBlob(impatient.name, stalling.digest);
    await assert.rejects(collect(stalled.body), { code: 'UNAVAILABLE', status: 504 });
    never.open();
    while (!over.signal.aborted) {
      await Promise.race([clock.untilSleeping(), outcome]);
      await clock.advance(100);
    }
    const got = await outcome;
    assert.ok(Buffer.isBuffer(got), String(got));
    assert.equal(sha256(got), slow.digest);
  });
});

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (reason: Error) => controller.abort(reason) };
}
