import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readBody } from '#src/net/body.ts';
import { DeadlineTransport } from '#src/net/deadline.ts';
import { RetryingTransport } from '#src/net/retry.ts';
import type { TransportRequest } from '#src/net/transport.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { type AnswerScript, ScriptedTransport } from '#test/fakes/scripted-transport.ts';

const get: TransportRequest = {
  method: 'GET',
  url: new URL('https://registry.example.com/v2/a/manifests/v1'),
  maxBodyBytes: 10,
};

async function* cut(...chunks: string[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
  throw Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' });
}

/** What is never whole and never breaks off. */
async function* dripping({ signal }: TransportRequest): AsyncGenerator<Buffer> {
  yield Buffer.from('{');
  await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
}

function retrying(script: AnswerScript, { budgetMs = 25_000, tryMs = 10_000 } = {}) {
  const clock = new FakeClock();
  const wire = new ScriptedTransport(script);
  const transport = new RetryingTransport(wire, { clock, random: () => 0, budgetMs, tryMs });
  return { clock, wire, transport };
}

/** Lets pauses pass, and what is done between them. */
async function running(clock: FakeClock): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await clock.advance(0);
}

async function read(transport: RetryingTransport, request = get): Promise<string> {
  await using response = await transport.send(request);
  return (await readBody(response, { maxBytes: 10, what: 'manifest' })).toString();
}

describe('a small body', () => {
  it('that is cut once is asked for again, and whole', async () => {
    const { clock, wire, transport } = retrying((_, count) => ({
      status: 200,
      body: count === 1 ? cut('{"a"') : '{"a":1}',
    }));
    const reading = read(transport);
    await running(clock);
    assert.equal(await reading, '{"a":1}');
    assert.deepEqual([wire.requests.length, wire.unread, clock.sleeping], [2, 0, 0]);
  });

  it('that is always cut is an answer that breaks off for its reader, after three tries', async () => {
    const { clock, wire, transport } = retrying(() => ({ status: 200, body: cut('{"a"', ':') }));
    const sending = transport.send(get);
    await running(clock);
    // It answers: whoever counts failures to answer must not count this one.
    await using response = await sending;
    assert.equal(response.status, 200);
    const seen: string[] = [];
    await assert.rejects(
      async () => {
        for await (const chunk of response.body) seen.push(String(chunk));
      },
      { code: 'UND_ERR_SOCKET' },
    );
    assert.deepEqual([seen, wire.requests.length, wire.unread], [['{"a"', ':'], 3, 1]);
  });

  it('is asked for once where nothing is tried again', async () => {
    const { wire, transport } = retrying(() => ({ status: 200, body: cut('{') }), { budgetMs: 0 });
    await assert.rejects(read(transport), { code: 'UNAVAILABLE', status: 502 });
    assert.equal(wire.requests.length, 1);
  });

  it('that is longer than allowed is not held, and is for its reader to refuse', async () => {
    for (const headers of [{}, { 'content-length': '11' }]) {
      let given = 0;
      async function* endless(): AsyncGenerator<Buffer> {
        for (;;) {
          given += 1;
          yield Buffer.from('1234');
        }
      }
      const { wire, transport } = retrying(() => ({ status: 200, headers, body: endless() }));
      await assert.rejects(read(transport), { message: /too large/ });
      assert.deepEqual([wire.requests.length, wire.unread], [1, 0]);
      assert.ok(given <= 4, `${given} chunks were taken`);
    }
  });

  it('of a failure, of a HEAD, and one that nobody calls small is left to its reader', async () => {
    for (const request of [
      get,
      { ...get, method: 'HEAD' as const },
      { ...get, maxBodyBytes: undefined, bulk: true },
    ]) {
      const status = request === get ? 404 : 200;
      const { wire, transport } = retrying(() => ({ status, body: cut() }));
      await using response = await transport.send(request);
      assert.deepEqual([response.status, wire.requests.length], [status, 1]);
    }
  });

  it('of a POST is asked for again when it was cut: what it asked for had been done', async () => {
    const { clock, wire, transport } = retrying((_, count) => ({
      status: 200,
      body: count === 1 ? cut('{') : '{}',
    }));
    const reading = read(transport, { ...get, method: 'POST', body: 'grant_type=password' });
    await running(clock);
    assert.equal(await reading, '{}');
    assert.deepEqual(
      wire.requests.map(({ method, body }) => `${method} ${body}`),
      ['POST grant_type=password', 'POST grant_type=password'],
    );
  });

  it('that drips is given up for another try, which may take what is left', async () => {
    const { clock, wire, transport } = retrying((request, count) => ({
      status: 200,
      body: count === 1 ? dripping(request) : '{}',
    }));
    const reading = read(transport);
    await clock.advance(0);
    await clock.advance(10_000);
    await running(clock);
    assert.equal(await reading, '{}');
    assert.equal(wire.requests.length, 2);
  });

  it('that drips for ever ends with the time of all tries, for its reader alone', async () => {
    const {
      clock,
      wire,
      transport: inner,
    } = retrying((request) => ({
      status: 200,
      body: dripping(request),
    }));
    const transport = new DeadlineTransport(inner, { clock, milliseconds: 60_000 });
    const sending = transport.send(get);
    await clock.advance(0);
    await clock.advance(10_000);
    await running(clock);
    await clock.advance(50_000);
    await using response = await sending;
    assert.equal(response.status, 200);
    await assert.rejects(readBody(response, { maxBytes: 10, what: 'manifest' }), { status: 504 });
    assert.equal(wire.requests.length, 2);
  });
});

describe('a try that hangs', () => {
  async function silence({ signal }: TransportRequest): Promise<never> {
    return await new Promise((_, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason as Error)),
    );
  }

  it('is given up for another, on which upstream may take its time', async () => {
    const answer = Promise.withResolvers<{ status: number }>();
    const { clock, wire, transport } = retrying(async (request, count) =>
      count === 1 ? await silence(request) : await answer.promise,
    );
    const sending = transport.send({ ...get, bulk: true });
    await clock.advance(9999);
    assert.equal(wire.requests.length, 1);
    await clock.advance(1);
    await running(clock);
    assert.equal(wire.requests.length, 2);
    await clock.advance(40_000);
    answer.resolve({ status: 200 });
    assert.equal((await sending).status, 200);
    assert.equal(wire.requests[0]?.signal?.aborted, true);
    assert.equal(clock.sleeping, 0);
  });

  it('has all the time that is left where no other could follow', async () => {
    const { clock, wire, transport } = retrying(
      async (request, count) => (count === 1 ? { status: 503 } : await silence(request)),
      { budgetMs: 10_000, tryMs: 10_000 },
    );
    const client = new AbortController();
    const sending = assert.rejects(transport.send({ ...get, signal: client.signal }), /enough/);
    await running(clock);
    await clock.advance(50_000);
    assert.equal(wire.requests.length, 2);
    client.abort(new Error('enough'));
    await sending;
  });

  it('is not tried again when whoever asked has left', async () => {
    const { clock, wire, transport } = retrying(silence);
    const client = new AbortController();
    const sending = assert.rejects(transport.send({ ...get, signal: client.signal }), /client is gone/);
    client.abort(new Error('client is gone'));
    await sending;
    assert.deepEqual([wire.requests.length, clock.sleeping], [1, 0]);
  });

  it('has no limit of its own where nothing is tried again, nor for a POST', async () => {
    for (const [request, budgetMs] of [
      [get, 0],
      [{ ...get, method: 'POST' as const }, 25_000],
    ] as const) {
      const { clock, wire, transport } = retrying(silence, { budgetMs });
      const client = new AbortController();
      const sending = assert.rejects(transport.send({ ...request, signal: client.signal }), /enough/);
      await clock.advance(30_000);
      assert.equal(wire.requests.length, 1);
      client.abort(new Error('enough'));
      await sending;
    }
  });
});
