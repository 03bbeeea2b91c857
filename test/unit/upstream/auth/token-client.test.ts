import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { RegistryError } from '#src/oci/error.ts';
import { TokenClient, type TokenRequest } from '#src/upstream/auth/token-client.ts';
import type { TransportRequest } from '#src/upstream/transport/transport.ts';
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

/** The body breaks off behind the text, as when a connection is cut. */
const cutBehind = Symbol('cut');
interface Answer extends ScriptedAnswer {
  readonly [cutBehind]?: true;
}

/** A client whose server answers in this order, the last for ever. */
function answering(...answers: readonly [Answer, ...Answer[]]) {
  const at = (count: number) => answers[Math.min(count, answers.length) - 1] ?? answers[0];
  const wire = new ScriptedTransport((_, count) => at(count));
  const transport = {
    async send(request: TransportRequest) {
      const response = await wire.send(request);
      const { body = '', [cutBehind]: cut } = at(wire.requests.length);
      return cut === true ? { ...response, body: Readable.from(broken(String(body))) } : response;
    },
  };
  return { wire, client: new TokenClient({ transport, clock: new FakeClock() }) };
}

async function* broken(text: string) {
  yield Buffer.from(text);
  throw Object.assign(new Error('gone'), { code: 'ECONNRESET' });
}

describe('a token answer', () => {
  const good: [what: string, answer: Answer][] = [
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
  const cuts: [what: string, answer: Answer][] = [
    ['whose connection breaks', { status: 200, body: half, [cutBehind]: true }],
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
      await client.fetch(get).then(
        (answered) => assert.deepEqual([answered.kind, answer[cutBehind]], ['refusal', undefined]),
        (error: RegistryError) => assert.deepEqual([error.code, error.status], ['UNAVAILABLE', 502]),
      );
      assert.deepEqual([wire.requests.length, wire.unread], [2, 0]);
    });
  }

  const useless: [what: string, answer: Answer][] = [
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
