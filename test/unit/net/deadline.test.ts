import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { DeadlineTransport } from '#src/net/deadline.ts';
import { RetryingTransport } from '#src/net/retry.ts';
import type { TransportRequest } from '#src/net/transport.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { ScriptedTransport } from '#test/fakes/scripted-transport.ts';

const get: TransportRequest = {
  method: 'GET',
  url: new URL('https://registry.example.com/v2/a/blobs/x?secret'),
};

/** Settles never, but with the signal. */
async function silence({ signal }: TransportRequest): Promise<never> {
  return await new Promise((_, reject) =>
    signal?.addEventListener('abort', () => reject(signal.reason as Error)),
  );
}

describe('the deadline', () => {
  it('ends the wait for headers with 504', async () => {
    const clock = new FakeClock();
    const transport = new DeadlineTransport(new ScriptedTransport(silence), { clock, milliseconds: 1000 });
    const sending = assert.rejects(transport.send(get), {
      code: 'UNAVAILABLE',
      status: 504,
      message: 'no answer from https://registry.example.com within 1000 ms',
    });
    await clock.untilSleeping();
    await clock.advance(1000);
    await sending;
  });

  it('counts for all tries together', async () => {
    const clock = new FakeClock();
    const wire = new ScriptedTransport(async (request, count) =>
      count === 1 ? { status: 503 } : await silence(request),
    );
    const retrying = new RetryingTransport(wire, { clock, random: () => 0.5, budgetMs: 900, tryMs: 1000 });
    const transport = new DeadlineTransport(retrying, { clock, milliseconds: 1000 });
    const sending = assert.rejects(transport.send(get), { status: 504 });
    // Behind the limit of the first try.
    await new Promise((resolve) => setImmediate(resolve));
    await clock.untilSleeping(2);
    await clock.advance(100);
    assert.equal(wire.requests.length, 2);
    await clock.advance(900);
    await sending;
  });

  it('leaves a body alone, and whoever asks can still end it', async () => {
    const clock = new FakeClock();
    const wire = new ScriptedTransport(() => ({ status: 200 }));
    const transport = new DeadlineTransport(wire, { clock, milliseconds: 1000 });
    const client = new AbortController();
    await using response = await transport.send({ ...get, signal: client.signal });
    assert.equal(response.status, 200);
    await clock.advance(5000);
    assert.equal(clock.sleeping, 0);
    const aborted = () => wire.requests.map(({ signal }) => signal?.aborted);
    assert.deepEqual(aborted(), [false]);
    client.abort();
    assert.deepEqual(aborted(), [true]);
  });

  it('leaves nothing with whoever asks once the answer was disposed of, or there was none: he may ask for years', async () => {
    const clock = new FakeClock();
    const wire = new ScriptedTransport((_, count) => {
      if (count > 1) throw new Error('broken');
      return { status: 200 };
    });
    const retrying = new RetryingTransport(wire, { clock, random: () => 0, budgetMs: 900, tryMs: 100 });
    const transport = new DeadlineTransport(retrying, { clock, milliseconds: 1000 });
    const { signal } = new AbortController();
    const response = await transport.send({ ...get, signal });
    const [sent] = wire.requests;
    assert.ok(sent?.signal);
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    await response[Symbol.asyncDispose]();
    assert.equal(getEventListeners(signal, 'abort').length, 0);
    await assert.rejects(transport.send({ ...get, signal }), /broken/);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
    assert.equal(clock.sleeping, 0);
  });

  it('is over before it begins for whoever has left', async () => {
    const clock = new FakeClock();
    const wire = new ScriptedTransport(() => ({ status: 200 }));
    const transport = new DeadlineTransport(wire, { clock, milliseconds: 1000 });
    const signal = AbortSignal.abort(new Error('gone'));
    await assert.rejects(transport.send({ ...get, signal }), /gone/);
    assert.deepEqual(wire.requests, []);
    assert.equal(clock.sleeping, 0);
  });

  it('counts for the body too where that is wanted, but not for bulk', async () => {
    const clock = new FakeClock();
    const wire = new ScriptedTransport(() => ({ status: 200 }));
    const transport = new DeadlineTransport(wire, { clock, milliseconds: 1000, withBody: true });
    await using _bulk = await transport.send({ ...get, bulk: true });
    await (await transport.send(get))[Symbol.asyncDispose]();
    assert.equal(clock.sleeping, 0);
    await using _small = await transport.send(get);
    await clock.advance(1000);
    assert.deepEqual(
      wire.requests.map(({ signal }) => signal?.aborted),
      [false, false, true],
    );
  });

  it('passes on the signal’s own reason', async () => {
    const clock = new FakeClock();
    const transport = new DeadlineTransport(new ScriptedTransport(silence), { clock, milliseconds: 1000 });
    const client = new AbortController();
    const sending = assert.rejects(transport.send({ ...get, signal: client.signal }), /client is gone/);
    client.abort(new Error('client is gone'));
    await sending;
    assert.equal(clock.sleeping, 0);
  });
});
