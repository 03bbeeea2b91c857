import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readBody } from '#src/net/body.ts';
import { connectionError } from '#src/net/connection-error.ts';
import { RetryingTransport } from '#src/net/retry.ts';
import type { TransportRequest } from '#src/net/transport.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { type ScriptedAnswer, ScriptedTransport } from '#test/fakes/scripted-transport.ts';

const get: TransportRequest = { method: 'GET', url: new URL('https://registry.example.com/v2/a/blobs/x') };

function reset(code = 'ECONNRESET'): Error {
  return connectionError(get.url, Object.assign(new Error('gone'), { code }));
}

/** Answers in turn, the last one for ever; an Error is thrown. */
function retrying(answers: readonly (ScriptedAnswer | Error)[], { random = 0.5, budgetMs = 25_000 } = {}) {
  const clock = new FakeClock();
  const wire = new ScriptedTransport((_, count) => {
    const answer = answers[Math.min(count, answers.length) - 1];
    if (answer instanceof Error) throw answer;
    return answer ?? { status: 200 };
  });
  return {
    clock,
    wire,
    transport: new RetryingTransport(wire, { clock, random: () => random, budgetMs, tryMs: 10_000 }),
  };
}

/** Settles in a pause between tries: the limit of a try is not one. */
async function pausing(clock: FakeClock): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await clock.untilSleeping();
}

describe('an idempotent request', () => {
  it('does not wait for another try when nothing will be sent any more', async () => {
    const clock = new FakeClock();
    const wire = new ScriptedTransport(() => ({ status: 503 }));
    const closing = new AbortController();
    const settings = { clock, random: () => 0.5, budgetMs: 25_000, tryMs: 10_000, closing: closing.signal };
    const sending = new RetryingTransport(wire, settings).send(get);
    await pausing(clock);
    closing.abort(new Error('the server is stopping'));
    await assert.rejects(sending, /stopping/);
    assert.deepEqual([wire.requests.length, wire.unread, clock.sleeping], [1, 0, 0]);
  });

  for (const status of [408, 500, 502, 503, 504]) {
    it(`that is answered ${status} is tried three times in all, after longer and longer pauses`, async () => {
      const { clock, wire, transport } = retrying([{ status }]);
      const sending = transport.send(get);
      await pausing(clock);
      await clock.advance(99);
      assert.equal(wire.requests.length, 1);
      await clock.advance(1);
      await pausing(clock);
      await clock.advance(199);
      assert.equal(wire.requests.length, 2);
      await clock.advance(1);
      assert.equal((await sending).status, status);
      assert.equal(wire.requests.length, 3);
      assert.equal(wire.unread, 1);
    });
  }

  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT']) {
    it(`that fails by ${code} is tried again`, async () => {
      const { clock, wire, transport } = retrying([reset(code), { status: 200 }]);
      const sending = transport.send(get);
      await pausing(clock);
      await clock.advance(100);
      assert.equal((await sending).status, 200);
      assert.equal(wire.requests.length, 2);
    });
  }

  it('gets the last failure when all three have failed', async () => {
    const { clock, wire, transport } = retrying([reset('ECONNREFUSED'), reset('EPIPE'), reset()]);
    const sending = assert.rejects(transport.send(get), { message: /ECONNRESET/, status: 502 });
    for (const pause of [100, 200]) {
      await pausing(clock);
      await clock.advance(pause);
    }
    await sending;
    assert.equal(wire.requests.length, 3);
  });

  for (const answer of [200, 301, 400, 401, 403, 404, 416, 501]) {
    it(`that is answered ${answer} is not tried again`, async () => {
      const { wire, transport } = retrying([{ status: answer }]);
      assert.equal((await transport.send(get)).status, answer);
      assert.equal(wire.requests.length, 1);
    });
  }

  for (const error of [new TypeError('a bug'), reset('ENOTFOUND'), reset('CERT_HAS_EXPIRED')]) {
    it(`that fails by "${error.message}" is not tried again`, async () => {
      const { wire, transport } = retrying([error]);
      await assert.rejects(transport.send(get), error);
      assert.equal(wire.requests.length, 1);
    });
  }

  it('is not tried again when that would be after its time', async () => {
    const { clock, wire, transport } = retrying([{ status: 503 }], { budgetMs: 300 });
    const sending = transport.send(get);
    await pausing(clock);
    await clock.advance(100);
    assert.equal((await sending).status, 503);
    assert.equal(wire.requests.length, 2);
  });

  it('ends with its signal while it waits', async () => {
    const { clock, wire, transport } = retrying([{ status: 503 }]);
    const client = new AbortController();
    const sending = assert.rejects(transport.send({ ...get, signal: client.signal }), /client is gone/);
    await pausing(clock);
    client.abort(new Error('client is gone'));
    await sending;
    assert.deepEqual([wire.requests.length, wire.unread, clock.sleeping], [1, 0, 0]);
  });
});

describe('a small body', () => {
  /** Bytes one by one, each so long after the one before; then no more. */
  function slowly(clock: FakeClock, count: number, everyMs: number, stalls: boolean) {
    return async ({ signal }: TransportRequest): Promise<ScriptedAnswer> => ({
      status: 200,
      body: (async function* () {
        for (let at = 0; at < count; at += 1) {
          await clock.sleep(everyMs, signal);
          yield Buffer.from('x');
        }
        if (stalls) await clock.sleep(3_600_000, signal);
      })(),
    });
  }

  for (const stalls of [false, true]) {
    it(`that comes slowly ${stalls ? 'and then stands still is asked for again' : 'is waited for, and asked for once'}`, async () => {
      const clock = new FakeClock();
      const wire = new ScriptedTransport(async (request, count) =>
        count === 1
          ? await slowly(clock, 4, stalls ? 1000 : 4000, stalls)(request)
          : { status: 200, body: 'xxxx' },
      );
      const settings = { clock, random: () => 0.5, budgetMs: 25_000, tryMs: 10_000 };
      const sending = new RetryingTransport(wire, settings).send({ ...get, maxBodyBytes: 10 });
      for (let ms = 0; ms < 26_000; ms += 1000) {
        await new Promise((resolve) => setImmediate(resolve));
        await clock.advance(1000);
      }
      const response = await sending;
      const chunks = await Array.fromAsync(response.body);
      assert.equal(Buffer.concat(chunks).toString(), 'xxxx');
      assert.equal(wire.requests.length, stalls ? 2 : 1);
    });
  }
});

describe('a request that is answered 429', () => {
  it('waits once as long as a short Retry-After says', async () => {
    const limited = { status: 429, headers: { 'retry-after': '5' } };
    const { clock, wire, transport } = retrying([limited, limited]);
    const sending = transport.send(get);
    await pausing(clock);
    await clock.advance(4999);
    assert.equal(wire.requests.length, 1);
    await clock.advance(1);
    assert.equal((await sending).status, 429);
    assert.equal(wire.requests.length, 2);
  });

  for (const headers of [{ 'retry-after': '6' }, { 'retry-after': 'soon' }, {}]) {
    it(`is passed on at once with ${JSON.stringify(headers)}`, async () => {
      const { wire, transport } = retrying([{ status: 429, headers }]);
      const response = await transport.send(get);
      assert.deepEqual([response.status, response.headers], [429, headers]);
      assert.equal(wire.requests.length, 1);
    });
  }
});

describe('a POST', () => {
  for (const answer of [reset(), { status: 503 }]) {
    it(`is sent once though ${answer instanceof Error ? 'it failed' : 'the answer is 503'}`, async () => {
      const { wire, transport } = retrying([answer]);
      await transport.send({ ...get, method: 'POST' }).catch(() => undefined);
      assert.equal(wire.requests.length, 1);
    });
  }

  for (const [once, tries] of [
    [false, 3],
    [true, 1],
  ] as const)
    it(`whose answer is cut is sent ${once ? 'once where it may not be sent again' : 'three times'}`, async () => {
      const cut = {
        async *[Symbol.asyncIterator]() {
          yield Buffer.from('{');
          throw reset();
        },
      };
      const { clock, wire, transport } = retrying([{ status: 200, body: cut }]);
      const sending = transport.send({ ...get, method: 'POST', maxBodyBytes: 100, once });
      for (let pause = 0; pause < 3; pause += 1) {
        await new Promise((resolve) => setImmediate(resolve));
        await clock.advance(5000);
      }
      await using response = await sending;
      await assert.rejects(readBody(response, { maxBytes: 100, what: 'body' }));
      assert.equal(wire.requests.length, tries);
    });
});
