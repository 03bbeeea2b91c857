import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { TokenClient, type TokenRequest } from '#src/upstream/auth/token-client.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { type ScriptedAnswer, ScriptedTransport } from '#test/fakes/scripted-transport.ts';

const token = JSON.stringify({ token: 't', expires_in: 300 });
const get: TokenRequest = {
  realm: new URL('https://auth.example.com/token'),
  service: undefined,
  scopes: ['repository:a:pull'],
  authorization: undefined,
  user: undefined,
  postsPassword: false,
  refreshToken: undefined,
};

/** A client whose server answers in this order, the last for ever. */
function answering(...answers: readonly [ScriptedAnswer, ...ScriptedAnswer[]]) {
  const wire = new ScriptedTransport(
    (_, count) => answers[Math.min(count, answers.length) - 1] ?? answers[0],
  );
  return { wire, client: new TokenClient({ transport: wire, clock: new FakeClock() }) };
}

describe('a token answer', () => {
  const good: [what: string, answer: ScriptedAnswer][] = [
    ['with status 201', { status: 201, body: token }],
    ['with status 299', { status: 299, body: token }],
    ['behind a byte-order mark', { status: 200, body: `\uFEFF${token}` }],
    [
      'that is gzipped unasked',
      { status: 200, headers: { 'content-encoding': 'gzip' }, body: gzipSync(token) },
    ],
    [
      'that is gzipped with a byte-order mark',
      { status: 200, headers: { 'content-encoding': 'x-gzip' }, body: gzipSync(`\uFEFF${token}`) },
    ],
    ['that only says to be gzipped', { status: 200, headers: { 'content-encoding': 'gzip' }, body: token }],
  ];
  for (const [what, answer] of good) {
    it(`${what} is a token`, async () => {
      const { wire, client } = answering(answer);
      const grant = await client.fetch(get);
      assert.deepEqual(grant.kind === 'grant' && grant.value, 't');
      assert.deepEqual([wire.requests.length, wire.unread], [1, 0]);
    });
  }

  const half = token.slice(0, 20);
  const cuts: [what: string, answer: ScriptedAnswer][] = [
    ['that just ends', { status: 200, body: half }],
    [
      'that ends within its gzip',
      { status: 200, headers: { 'content-encoding': 'gzip' }, body: gzipSync(token).subarray(0, 20) },
    ],
  ];
  for (const [what, answer] of cuts) {
    it(`${what} in the middle is asked for again, once`, async () => {
      const once = answering(answer, { status: 200, body: token });
      const grant = await once.client.fetch(get);
      assert.equal(grant.kind, 'grant');
      assert.deepEqual([once.wire.requests.length, once.wire.unread], [2, 0]);
      const { wire, client } = answering(answer);
      assert.equal((await client.fetch(get)).kind, 'refusal');
      assert.deepEqual([wire.requests.length, wire.unread], [2, 0]);
    });
  }

  const useless: [what: string, answer: ScriptedAnswer][] = [
    ['that is a web page', { status: 200, body: '<html>' }],
    ['that has no token', { status: 201, body: '{"expires_in":5}' }],
    ['without a body', { status: 204 }],
    [
      'that inflates without end',
      { status: 200, headers: { 'content-encoding': 'gzip' }, body: gzipSync('x'.repeat(200_000)) },
    ],
  ];
  for (const [what, answer] of useless) {
    it(`${what} is none`, async () => {
      const { wire, client } = answering(answer);
      assert.partialDeepStrictEqual(await client.fetch(get), { kind: 'refusal', status: answer.status });
      assert.ok(wire.requests.length <= 2);
    });
  }
});
