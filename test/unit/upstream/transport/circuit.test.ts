import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RegistryError } from '#src/oci/error.ts';
import { refusalError } from '#src/upstream/auth/token-refusal.ts';
import { connectionError } from '#src/upstream/connection/connection-error.ts';
import { CircuitTransport } from '#src/upstream/transport/circuit.ts';
import type { TransportRequest } from '#src/upstream/transport/transport.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { type ScriptedAnswer, ScriptedTransport } from '#test/fakes/scripted-transport.ts';

const origin = 'https://registry.example.com';
const manifest: TransportRequest = { method: 'GET', url: new URL(`${origin}/v2/a/manifests/v1`) };
const other: TransportRequest = { method: 'GET', url: new URL(`${origin}/v2/b/manifests/v1`) };
const head: TransportRequest = { ...manifest, method: 'HEAD' };
const blob: TransportRequest = {
  method: 'GET',
  url: new URL(`${origin}/v2/a/blobs/sha256:${'a'.repeat(64)}`),
};

const refused = connectionError(manifest.url, Object.assign(new Error('no'), { code: 'ECONNREFUSED' }));
const ok: ScriptedAnswer = { status: 200 };

/** Answers by what the test puts here; an Error is thrown. */
function circuit(first: ScriptedAnswer | Error) {
  const clock = new FakeClock();
  const upstream = { answer: first };
  const oddities: string[] = [];
  const wire = new ScriptedTransport(() => {
    if (upstream.answer instanceof Error) throw upstream.answer;
    return upstream.answer;
  });
  const onOddity = (message: string): void => void oddities.push(message);
  return { clock, wire, upstream, oddities, transport: new CircuitTransport(wire, { clock, onOddity }) };
}

describe('an upstream that does not answer', () => {
  it('is not asked again for two seconds: its failure is there at once, and says when', async () => {
    const { clock, wire, transport } = circuit(refused);
    await assert.rejects(transport.send(manifest), { status: 502, message: refused.message });
    await clock.advance(500);
    for (let client = 0; client < 3; client += 1) {
      await assert.rejects(transport.send(other), {
        code: 'UNAVAILABLE',
        status: 502,
        message: /connection refused, ECONNREFUSED\); asked again in 2 s$/,
        headers: { 'Retry-After': '2' },
      });
    }
    assert.equal(wire.requests.length, 1);
  });

  it('is asked by one client every two seconds, and by all when it has answered', async () => {
    const { clock, wire, upstream, oddities, transport } = circuit(refused);
    await assert.rejects(transport.send(manifest));
    for (let probe = 2; probe < 5; probe += 1) {
      await clock.advance(2000);
      await assert.rejects(transport.send(manifest), { message: refused.message });
      await assert.rejects(transport.send(manifest), /asked again/);
      assert.equal(wire.requests.length, probe);
    }
    upstream.answer = ok;
    await assert.rejects(transport.send(other), /asked again/);
    await clock.advance(2000);
    for (const request of [manifest, other]) assert.equal((await transport.send(request)).status, 200);
    assert.deepEqual(oddities, ['upstream is given a rest', 'upstream is asked again']);
  });

  it('is asked again in two seconds though the one that was let through still waits', async () => {
    const { clock, wire, transport } = circuit(refused);
    await assert.rejects(transport.send(manifest));
    await clock.advance(2000);
    const never = Promise.withResolvers<ScriptedAnswer>();
    const hanging = new ScriptedTransport(() => never.promise);
    Object.assign(wire, { send: hanging.send.bind(hanging) });
    const waiting = transport.send(manifest);
    await assert.rejects(transport.send(manifest), /asked again/);
    await clock.advance(2000);
    const second = transport.send(manifest);
    assert.equal(hanging.requests.length, 2);
    never.resolve(ok);
    await Promise.all([waiting, second]);
  });

  it('to one kind of request may answer the others', async () => {
    const { wire, upstream, transport } = circuit(refused);
    await assert.rejects(transport.send(manifest));
    upstream.answer = ok;
    for (const request of [head, blob]) assert.equal((await transport.send(request)).status, 200);
    assert.equal(wire.requests.length, 3);
  });

  for (const answered of [500, 502, 503, 504, 520]) {
    it(`is also one whose token server answers ${answered}`, async () => {
      const refusal = { kind: 'refusal', status: answered, headers: {} } as const;
      const error = refusalError(new URL('https://auth.example.com/token'), refusal, 0);
      const { wire, transport } = circuit(error);
      await assert.rejects(transport.send(manifest), { code: 'UNAVAILABLE', message: error.message });
      await assert.rejects(transport.send(manifest), { status: error.status, message: /asked again/ });
      assert.equal(wire.requests.length, 1);
    });
  }

  it('is asked for one image when its token server gives no token for another', async () => {
    const refusal = { kind: 'refusal', status: 403, headers: {} } as const;
    const { wire, transport } = circuit(refusalError(new URL('https://a.example.com'), refusal, 0));
    for (const request of [manifest, other])
      await assert.rejects(transport.send(request), { code: 'DENIED' });
    assert.equal(wire.requests.length, 2);
  });

  it('is given a rest for the requests of its kind alone where its API is below a path', async () => {
    const { wire, upstream, transport } = circuit({ status: 429 });
    const below = ({ method, url }: TransportRequest): TransportRequest => ({
      method,
      url: new URL(`/docker${url.pathname}`, url),
    });
    await transport.send(below(manifest));
    upstream.answer = ok;
    assert.equal((await transport.send(below(blob))).status, 200);
    await assert.rejects(transport.send(below(other)), /asked again/);
    assert.equal(wire.requests.length, 2);
  });

  for (const status of [503, 504]) {
    it(`is also one whose token server or deadline says ${status}`, async () => {
      const { wire, transport } = circuit(new RegistryError('UNAVAILABLE', 'late', { status }));
      await assert.rejects(transport.send(manifest), { status });
      await assert.rejects(transport.send(manifest), { status, message: /^late; asked again/ });
      assert.equal(wire.requests.length, 1);
    });
  }
});

describe('an upstream that limits us', () => {
  it('gets no request of that kind until its Retry-After is over, and clients hear how long', async () => {
    const { clock, wire, upstream, transport } = circuit({ status: 429, headers: { 'retry-after': '30' } });
    assert.equal((await transport.send(manifest)).status, 429);
    await clock.advance(10_000);
    await assert.rejects(transport.send(other), {
      code: 'TOOMANYREQUESTS',
      status: 429,
      headers: { 'Retry-After': '20' },
    });
    upstream.answer = ok;
    for (const request of [head, blob]) assert.equal((await transport.send(request)).status, 200);
    assert.equal(wire.requests.length, 3);
    await clock.advance(20_000);
    assert.equal((await transport.send(other)).status, 200);
  });

  it('without saying for how long is asked again in two seconds', async () => {
    const { clock, wire, transport } = circuit({ status: 429 });
    await transport.send(manifest);
    await assert.rejects(transport.send(manifest), { headers: { 'Retry-After': '2' } });
    await clock.advance(2000);
    await transport.send(manifest);
    assert.equal(wire.requests.length, 2);
  });

  it('because the quota is used up is asked again in five minutes, or when it says', async () => {
    const usedUp = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' };
    const { clock, wire, upstream, transport } = circuit({ status: 429, headers: usedUp });
    await transport.send(manifest);
    await assert.rejects(transport.send(manifest), { headers: { 'Retry-After': '300' } });
    await clock.advance(300_000);
    upstream.answer = { status: 429, headers: { ...usedUp, 'retry-after': '40' } };
    await transport.send(manifest);
    await assert.rejects(transport.send(manifest), { headers: { 'Retry-After': '40' } });
    assert.equal(wire.requests.length, 2);
  });

  it('is left alone for hours where it says so', async () => {
    const { clock, wire, transport } = circuit({ status: 429, headers: { 'retry-after': '21600' } });
    await transport.send(manifest);
    await clock.advance(21_599_000);
    await assert.rejects(transport.send(manifest), { headers: { 'Retry-After': '1' } });
    await clock.advance(1000);
    await transport.send(manifest);
    assert.equal(wire.requests.length, 2);
  });

  it('is asked again in five minutes though it says a date in seconds, as some do', async () => {
    const { clock, wire, transport } = circuit({ status: 429, headers: { 'retry-after': '1700000000' } });
    await transport.send(manifest);
    await assert.rejects(transport.send(manifest), { headers: { 'Retry-After': '300' } });
    await clock.advance(300_000);
    await transport.send(manifest);
    assert.equal(wire.requests.length, 2);
  });

  it('by its token server is given the same rest', async () => {
    const limited = new RegistryError('TOOMANYREQUESTS', 'slowly', { headers: { 'Retry-After': '7' } });
    const { wire, transport } = circuit(limited);
    await assert.rejects(transport.send(manifest));
    await assert.rejects(transport.send(manifest), { status: 429, headers: { 'Retry-After': '7' } });
    assert.equal(wire.requests.length, 1);
  });
});

describe('an answer about one image', () => {
  const answers: readonly (ScriptedAnswer | Error)[] = [
    ...[200, 307, 400, 401, 403, 404, 500, 502, 503].map((status) => ({ status })),
    new RegistryError('DENIED', 'a fresh token was refused'),
    new RegistryError('UNAVAILABLE', 'redirects too often'),
    new TypeError('a bug'),
  ];
  for (const answer of answers) {
    const what = answer instanceof Error ? answer.message : String(answer.status);
    it(`says nothing of others: ${what}`, async () => {
      const { wire, transport } = circuit(answer);
      for (let time = 0; time < 2; time += 1) await transport.send(manifest).catch(() => undefined);
      assert.equal(wire.requests.length, 2);
    });
  }

  it('leaves a caller’s own end of patience out of it', async () => {
    const { upstream, transport } = circuit(ok);
    const client = new AbortController();
    client.abort(new Error('gone'));
    await assert.rejects(transport.send({ ...manifest, signal: client.signal }), /gone/);
    upstream.answer = ok;
    assert.equal((await transport.send(manifest)).status, 200);
  });
});
