import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectError, connectionError } from '#src/net/connection-error.ts';
import { proxyConnectionError } from '#src/net/dial/proxy-error.ts';
import type { OnOddity } from '#src/net/oddity.ts';
import type { TransportRequest } from '#src/net/transport.ts';
import { NoRoom } from '#src/oci/busy.ts';
import { RegistryError } from '#src/oci/error.ts';
import { AfterAnswer, NoAnswer } from '#src/oci/no-answer.ts';
import { own } from '#src/oci/wording.ts';
import { refusalError } from '#src/upstream/auth/token-refusal.ts';
import { CircuitTransport } from '#src/upstream/limits/circuit.ts';
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
const deadline = new NoAnswer(manifest.url, 'exchange', 'no answer within 60000 ms', { status: 504 });

/** A connection stood, and no answer came of it. */
function broken(code: string): RegistryError {
  return connectionError(manifest.url, Object.assign(new Error('broken'), { code }));
}

/** A GET as the registry's client sends it. */
function of(repository: string, reference: string): TransportRequest {
  return { method: 'GET', url: new URL(`${origin}/v2/${repository}/manifests/${reference}`), repository };
}

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

const begins = 'upstream unavailable';
const ends = 'upstream available ag';

/** The same, with what is told in its level and its first words. */
function told() {
  const { clock, wire, upstream } = circuit(refused);
  const levels: string[] = [];
  const onOddity: OnOddity = (message, _fields, level) =>
    void levels.push(`${level} ${message.slice(0, begins.length + 1)}`);
  return { clock, upstream, levels, transport: new CircuitTransport(wire, { clock, onOddity }) };
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
    assert.deepEqual(oddities, ['upstream unavailable', 'upstream available again after 8 s']);
  });

  it('is told of as an error when its outage begins and when it ends, once a minute where it comes and goes; a limit is not', async () => {
    const { clock, upstream, levels, transport } = told();
    for (const pauseMs of [2000, 60_000, 2000]) {
      upstream.answer = refused;
      await assert.rejects(transport.send(manifest));
      upstream.answer = ok;
      await clock.advance(2000);
      await transport.send(manifest);
      await clock.advance(pauseMs);
    }
    assert.deepEqual(levels.splice(0), [
      ...[`error ${begins}`, `error ${ends}`],
      ...[`warn ${begins}`, `warn ${ends}`],
      ...[`error ${begins}`, `error ${ends}`],
    ]);
    upstream.answer = { status: 429 };
    await transport.send(manifest);
    assert.deepEqual(levels, ['warn upstream limits reque']);
  });

  it('is told of as an error a minute later, where it stays so after one that was over in a moment', async () => {
    const { clock, upstream, levels, transport } = told();
    const probe = async (answer: ScriptedAnswer | Error): Promise<void> => {
      upstream.answer = answer;
      await clock.advance(2000);
      await transport.send(manifest).catch(() => {});
    };
    for (const answer of [refused, ok, refused]) await probe(answer);
    assert.deepEqual(levels.splice(0), [...[`error ${begins}`, `error ${ends}`], ...[`warn ${begins}`]]);
    for (let times = 0; times < 60; times += 1) await probe(refused);
    assert.deepEqual(levels.splice(0), [`error ${begins}`]);
    await probe(ok);
    assert.deepEqual(levels, [`error ${ends}`]);
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

  it('is asked for one image when its token server gives no token for another', async () => {
    const refusal = { kind: 'refusal', status: 403, headers: {} } as const;
    const { wire, transport } = circuit(
      refusalError(new URL('https://a.example.com'), refusal, own('as nobody'), 0),
    );
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
});

describe('a host that cannot be connected to', () => {
  for (const code of ['ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'CERT_HAS_EXPIRED', 'EPROTO']) {
    it(`is given a rest after one request: ${code} before a connection stood`, async () => {
      const { wire, transport } = circuit(connectError(manifest.url, Object.assign(new Error(), { code })));
      await assert.rejects(transport.send(of('a', 'v1')));
      await assert.rejects(transport.send(of('b', 'v1')), /asked again in 2 s$/);
      assert.equal(wire.requests.length, 1);
    });
  }

  it('by the one of its addresses that was tried at all is given a rest: this machine may have no IPv6', async () => {
    const failure = (code: string): Error => Object.assign(new Error(), { code });
    const both = new AggregateError([failure('EADDRNOTAVAIL'), failure('ECONNREFUSED')]);
    const { wire, transport } = circuit(connectError(manifest.url, both));
    await assert.rejects(transport.send(of('a', 'v1')), /ECONNREFUSED\)$/);
    await assert.rejects(transport.send(of('b', 'v1')), /asked again in 2 s$/);
    assert.equal(wire.requests.length, 1);
  });

  for (const code of ['EMFILE', 'ENFILE', 'ENOMEM', 'ECANCELLED'])
    it(`for want of ours is asked for every other image, and nobody is told of an outage: ${code}`, async () => {
      const cause = Object.assign(new Error(), { code });
      for (const want of [
        connectError(manifest.url, cause),
        proxyConnectionError(manifest.url, cause, 'proxy.example.com'),
      ]) {
        const { wire, oddities, transport } = circuit(want);
        for (const name of ['a', 'b', 'c', 'd', 'e'])
          await assert.rejects(transport.send(of(name, 'v1')), {
            status: 503,
            message: new RegExp(`${code}\\)$`),
            headers: { 'Retry-After': '1' },
          });
        assert.equal(wire.requests.length, 5);
        assert.deepEqual(oddities, []);
      }
    });

  it('and is not the registry, but where a redirect led to, is no reason to give up other images', async () => {
    const elsewhere = new URL('https://cdn.example.org/x');
    const { wire, transport } = circuit(
      connectionError(elsewhere, Object.assign(new Error(), { code: 'ECONNREFUSED' })),
    );
    for (const name of ['a', 'b', 'c']) await assert.rejects(transport.send(of(name, 'v1')), /cdn/);
    assert.equal(wire.requests.length, 3);
    await assert.rejects(transport.send(of('c', 'v2')), /asked again/);
  });
});

describe('an answer for which there is no room in our memory', () => {
  it('is one: the registry is there again', async () => {
    const { clock, upstream, oddities, transport } = circuit(refused);
    await assert.rejects(transport.send(manifest), { message: refused.message });
    upstream.answer = new NoRoom(1000);
    await clock.advance(60_000);
    await assert.rejects(transport.send(manifest), NoRoom);
    await assert.rejects(transport.send(other), NoRoom);
    assert.deepEqual(
      oddities.map((oddity) => oddity.slice(0, ends.length)),
      [begins.slice(0, ends.length), ends],
    );
  });
});

describe('why nothing is sent', () => {
  it('is told to the operator in full', async () => {
    const words = own('the proxy 10.0.0.1', 'the proxy');
    const wire = new ScriptedTransport(() => {
      throw new NoAnswer(manifest.url, 'host', words);
    });
    const reasons: unknown[] = [];
    const onOddity: OnOddity = (_message, { reason }) => void reasons.push(reason);
    const transport = new CircuitTransport(wire, { clock: new FakeClock(), onOddity });
    await assert.rejects(transport.send(manifest), { message: words.forClients });
    assert.deepEqual(reasons, [words.forOperator]);
  });
});

describe('what gets no answer though the host can be reached', () => {
  /** Answers all but what the path has one of these in. */
  function without(...faulty: string[]) {
    const made = circuit(ok);
    const wire = new ScriptedTransport(({ url }) => {
      if (faulty.some((part) => url.pathname.includes(part))) throw broken('ECONNRESET');
      return ok;
    });
    const settings = { clock: made.clock, onOddity: (message: string) => void made.oddities.push(message) };
    return { ...made, faulty, wire, transport: new CircuitTransport(wire, settings) };
  }

  it('may be one image that is asked for over and over: all others are pulled', async () => {
    const { wire, oddities, transport } = without('/bad/');
    for (let time = 0; time < 10; time += 1) {
      await assert.rejects(transport.send(of('bad', 'v1')), { status: 502, message: /connection reset/ });
      assert.equal((await transport.send(of('good', `v${time}`))).status, 200);
    }
    assert.equal(wire.requests.length, 20);
    assert.deepEqual(oddities, []);
  });

  it('may be one image with no other pulled meanwhile, which is asked for each time', async () => {
    const { wire, transport } = without('/bad/');
    for (let time = 0; time < 10; time += 1) await assert.rejects(transport.send(of('bad', 'v1')), /reset/);
    assert.equal(wire.requests.length, 10);
    assert.equal((await transport.send(of('good', 'v1'))).status, 200);
  });

  it('is a repository, when three of its objects did not in a row; every two seconds one is let through', async () => {
    const { clock, wire, oddities, transport } = without('/bad/');
    for (const tag of ['v1', 'v2', 'v3'])
      await assert.rejects(transport.send(of('bad', tag)), /reset, ECONNRESET\)$/);
    for (const tag of ['v1', 'v2', 'v3'])
      await assert.rejects(transport.send(of('bad', tag)), /asked again in 2 s$/);
    assert.equal(wire.requests.length, 3);
    for (let time = 0; time < 5; time += 1)
      assert.equal((await transport.send(of('good', `v${time}`))).status, 200);
    await clock.advance(2000);
    await assert.rejects(transport.send(of('bad', 'v1')), /ECONNRESET\)$/);
    await assert.rejects(transport.send(of('bad', 'v2')), /asked again/);
    assert.equal(wire.requests.length, 9);
    assert.deepEqual(oddities, ['upstream unavailable']);
  });

  it('is the host, when three repositories did not in a row: a fourth is let through at once to see', async () => {
    const { clock, wire, faulty, transport } = without('/v2/');
    for (const name of ['a', 'b', 'c']) await assert.rejects(transport.send(of(name, 'v1')), /ECONNRESET\)$/);
    for (const name of ['a', 'b', 'c']) await assert.rejects(transport.send(of(name, 'v2')), /asked again/);
    await assert.rejects(transport.send(of('d', 'v1')), /ECONNRESET\)$/);
    await assert.rejects(transport.send(of('e', 'v1')), /asked again/);
    assert.equal(wire.requests.length, 4);
    await clock.advance(2000);
    faulty.length = 0;
    assert.equal((await transport.send(of('e', 'v1'))).status, 200);
    for (const name of ['a', 'b', 'c', 'd']) assert.equal((await transport.send(of(name, 'v1'))).status, 200);
  });

  for (const realm of ['https://auth.example.com/token', 'https://registry.example.com/v2/auth']) {
    const ways: Record<string, (scope: string) => TransportRequest> = {
      GET: (scope) => ({ method: 'GET', url: new URL(`${realm}?scope=${scope}`) }),
      POST: (scope) => ({ method: 'POST', url: new URL(realm), body: `grant_type=password&scope=${scope}` }),
    };
    for (const [method, of] of Object.entries(ways))
      it(`is the token server ${realm}, when it gave no tokens for three scopes in a row (${method})`, async () => {
        const { wire, transport } = circuit(deadline);
        for (const name of ['a', 'a', 'b', 'c'])
          await assert.rejects(transport.send(of(`repository:${name}:pull`)), /60000 ms$/);
        await assert.rejects(transport.send(of('repository:a:pull')), /asked again/);
        assert.equal(wire.requests.length, 4);
      });
  }

  it('is one blob, though three repositories have it', async () => {
    const { wire, transport } = without(`sha256:${'a'.repeat(64)}`);
    const layer = (repository: string, letter: string): TransportRequest => ({
      method: 'GET',
      repository,
      url: new URL(`${origin}/v2/${repository}/blobs/sha256:${letter.repeat(64)}`),
    });
    for (const name of ['x', 'y', 'z'])
      await assert.rejects(transport.send(layer(name, 'a')), /ECONNRESET\)$/);
    for (const name of ['x', 'y', 'z']) assert.equal((await transport.send(layer(name, 'b'))).status, 200);
    assert.equal(wire.requests.length, 6);
  });

  it('does not keep the host from being asked again for others, however often it is asked for', async () => {
    const { clock, wire, transport } = without('/x/', '/y/', '/z/');
    for (const name of ['x', 'y', 'z']) await assert.rejects(transport.send(of(name, 'v1')), /ECONNRESET\)$/);
    assert.equal((await transport.send(of('good', 'v1'))).status, 200);
    for (const name of ['x', 'y', 'z']) await assert.rejects(transport.send(of(name, 'v1')), /ECONNRESET\)$/);
    await clock.advance(10_000);
    // The one that is at fault comes first, each time.
    await assert.rejects(transport.send(of('x', 'v1')), /ECONNRESET\)$/);
    assert.equal((await transport.send(of('good', 'v2'))).status, 200);
    assert.equal(wire.requests.length, 9);
  });

  it('is its own fault when others were answered while it was waited for', async () => {
    const { clock, oddities } = circuit(ok);
    const silent = Promise.withResolvers<ScriptedAnswer>();
    const wire = new ScriptedTransport(({ url }) => (url.pathname.includes('/good/') ? ok : silent.promise));
    const transport = new CircuitTransport(wire, {
      clock,
      onOddity: (message) => void oddities.push(message),
    });
    const waiting = ['a', 'b', 'c', 'd'].map(async (name) => {
      await assert.rejects(transport.send(of(name, 'v1')), { status: 504 });
    });
    await transport.send(of('good', 'v1'));
    silent.reject(deadline);
    await Promise.all(waiting);
    await transport.send(of('good', 'v2'));
    assert.deepEqual(oddities, []);
  });

  it('is found out beside a host that was dead and is not any more', async () => {
    const { clock, wire, upstream, transport } = circuit(refused);
    await assert.rejects(transport.send(of('bad', 'v1')));
    await clock.advance(2000);
    upstream.answer = broken('HPE_INVALID_CONSTANT');
    await assert.rejects(transport.send(of('bad', 'v1')), /HTTP/);
    await clock.advance(2000);
    await assert.rejects(transport.send(of('bad', 'v1')), /HTTP/);
    upstream.answer = ok;
    assert.equal((await transport.send(of('good', 'v1'))).status, 200);
    assert.equal(wire.requests.length, 4);
  });

  it('does not open a door before the time that a limit has said', async () => {
    const { clock, wire, upstream, transport } = circuit(ok);
    const late = Promise.withResolvers<ScriptedAnswer>();
    const slow = new ScriptedTransport(() => late.promise);
    const { send } = wire;
    Object.assign(wire, { send: slow.send.bind(slow) });
    const waiting = assert.rejects(transport.send(of('slow', 'v1')), /reset/);
    Object.assign(wire, { send });
    upstream.answer = { status: 429, headers: { 'retry-after': '30' } };
    await transport.send(of('a', 'v1'));
    late.reject(broken('ECONNRESET'));
    await waiting;
    await clock.advance(10_000);
    await assert.rejects(transport.send(of('b', 'v1')), { status: 429, headers: { 'Retry-After': '20' } });
  });

  it('is remembered within bounds, whatever names clients make up', async () => {
    const { transport } = without('/v2/');
    for (let name = 0; name < 3000; name += 1)
      await transport.send(of(`r${name}`, 'v1')).catch(() => undefined);
    await assert.rejects(transport.send(of('r0', 'v1')), /asked again/);
  });
});

describe('a mirror, where the next can be asked', () => {
  it('is given a rest after one silence, and not after one broken answer', async () => {
    const { clock, upstream, wire } = circuit(broken('ECONNRESET'));
    const transport = new CircuitTransport(wire, { clock, onOddity: () => {}, oneSilenceIsEnough: true });
    await assert.rejects(transport.send(of('a', 'v1')), /ECONNRESET\)$/);
    upstream.answer = deadline;
    await assert.rejects(transport.send(of('b', 'v1')), /within 60000 ms$/);
    await assert.rejects(transport.send(of('c', 'v1')), { status: 504, message: /asked again/ });
    assert.equal(wire.requests.length, 2);
  });
});

describe('a circuit that passes limits on', () => {
  it('is not opened by them', async () => {
    const { clock, oddities, wire } = circuit({ status: 429, headers: { 'retry-after': '30' } });
    const transport = new CircuitTransport(wire, {
      clock,
      onOddity: (message) => void oddities.push(message),
      passesLimits: true,
    });
    for (let time = 0; time < 3; time += 1) assert.equal((await transport.send(manifest)).status, 429);
    assert.deepEqual(oddities, []);
  });
});

describe('an upstream that limits us', () => {
  it('is not the store to which it redirected for one blob', async () => {
    const { clock, wire } = circuit({ status: 429, headers: { 'retry-after': '3600' } });
    const redirected = {
      send: async (request: TransportRequest) => ({
        ...(await wire.send(request)),
        url: new URL('https://cdn.example.net/signed'),
      }),
    };
    const transport = new CircuitTransport(redirected, { clock, onOddity: () => undefined });
    for (let time = 0; time < 3; time += 1) assert.equal((await transport.send(blob)).status, 429);
    assert.equal(wire.requests.length, 3);
  });

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

  for (const [what, late] of [
    ['answered', ok],
    ['refused a connection', refused],
    ['limited for less', { status: 429, headers: { 'retry-after': '1' } }],
  ] as const)
    it(`is left alone for as long though a request from before is ${what} later`, async () => {
      const { clock, oddities } = circuit(ok);
      const before = Promise.withResolvers<ScriptedAnswer>();
      const limit: ScriptedAnswer = { status: 429, headers: { 'retry-after': '300' } };
      const wire = new ScriptedTransport(({ url }) =>
        url.pathname.includes('/a/') ? before.promise : limit,
      );
      const onOddity = (message: string): void => void oddities.push(message);
      const transport = new CircuitTransport(wire, { clock, onOddity });
      const waiting = transport.send(manifest).catch(() => undefined);
      await transport.send(other);
      if (late instanceof Error) before.reject(late);
      else before.resolve(late);
      await waiting;
      await clock.advance(2001);
      await assert.rejects(transport.send(other), { status: 429, headers: { 'Retry-After': '298' } });
      assert.equal(wire.requests.length, 2);
      assert.deepEqual(oddities, ['upstream limits requests']);
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
    ...[500, 503, 504].map((status) =>
      refusalError(
        new URL('https://auth.example.com/token'),
        { kind: 'refusal', status, headers: {} },
        own('as nobody'),
        0,
      ),
    ),
    ...['ECONNRESET', 'HPE_INVALID_CONSTANT', 'UND_ERR_HEADERS_TIMEOUT'].map(broken),
    deadline,
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

  const denied = new RegistryError('DENIED', 'user and password were refused a moment ago');
  it('ends a rest also when nothing comes of it', async () => {
    const { clock, upstream, wire, transport } = circuit(refused);
    await assert.rejects(transport.send(manifest));
    await clock.advance(2000);
    upstream.answer = new AfterAnswer(manifest.url, denied);
    for (let time = 0; time < 2; time += 1)
      await assert.rejects(transport.send(manifest), { code: 'DENIED' });
    assert.equal(wire.requests.length, 3);
  });

  for (const [what, error] of [
    ['was not sent', denied],
    ['was not sent for want of a token', new NoAnswer(manifest.url, 'nothing', 'no token')],
    ['came from where a redirect led to', new AfterAnswer(new URL('https://cdn.example.org'), denied)],
  ] as const)
    it(`is none when it ${what}: the rest of the registry goes on`, async () => {
      const { clock, upstream, oddities, transport } = circuit(refused);
      await assert.rejects(transport.send(manifest));
      await clock.advance(2000);
      upstream.answer = error;
      await assert.rejects(transport.send(manifest), { code: error.code });
      await assert.rejects(transport.send(manifest), /refused, ECONNREFUSED\); asked again in 2 s$/);
      assert.deepEqual(oddities, ['upstream unavailable']);
    });

  it('was not asked for where the credential was not to be had, of however many repositories', async () => {
    const { oddities, wire, transport } = circuit(new NoAnswer(manifest.url, 'nothing', 'no token'));
    for (const repository of ['a', 'b', 'c', 'd']) {
      for (const tag of ['v1', 'v2', 'v3'])
        await assert.rejects(transport.send(of(repository, tag)), { message: 'no token' });
    }
    assert.equal(wire.requests.length, 12);
    assert.deepEqual(oddities, []);
  });

  it('leaves a caller’s own end of patience out of it', async () => {
    const { upstream, transport } = circuit(ok);
    const client = new AbortController();
    client.abort(new Error('gone'));
    await assert.rejects(transport.send({ ...manifest, signal: client.signal }), /gone/);
    upstream.answer = ok;
    assert.equal((await transport.send(manifest)).status, 200);
  });
});
