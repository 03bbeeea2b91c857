import assert from 'node:assert/strict';
import fc from 'fast-check';
import { systemClock } from '#src/base/clock.ts';
import { AddressGuard } from '#src/net/dial/address-guard.ts';
import { ProxyChoice } from '#src/net/dial/proxy-choice.ts';
import { TlsTrust } from '#src/net/dial/tls-trust.ts';
import { Wire } from '#src/net/wire/wire.ts';
import { someNames } from '#test/fakes/names.ts';
import { AnswerServer } from './answer-server.ts';
import { answers, type GeneratedAnswer } from './answers.ts';
import { referenceVerdict, type Verdict, verdictOf } from './verdict.ts';

/** No answer of this server takes so long. Milliseconds. */
const timeoutMs = 10_000;

/**
 * Generated answers, by both ways of the wire and by Node's own parser: what the wire takes is what Node takes, byte for byte; what is
 * right it takes; and the next request gets its own answer, whatever came behind the one before. Rejects with the answer that is
 * treated otherwise, as small as one was found.
 */
export async function fuzzWire({ seed, runs }: { seed: number; runs: number }): Promise<void> {
  await using server = await AnswerServer.start();
  const property = fc.asyncProperty(answers, async (answer) => await check(server, answer));
  await fc.assert(property, { seed, numRuns: runs });
}

async function check(server: AnswerServer, answer: GeneratedAnswer): Promise<void> {
  const expected = await reference(server, answer);
  const [first, second] = [await asked(server, answer, true), await asked(server, answer, false)];
  assert.deepEqual(first, second, 'the two ways of the wire differ');
  if (first !== undefined) assert.deepEqual(first, expected, 'taken, but not as by Node');
  else assert.ok(!answer.isRight, 'refused, though it is right');
}

async function reference(server: AnswerServer, answer: GeneratedAnswer): Promise<Verdict | undefined> {
  const { path } = server.offer({ ...answer, text: answer.reference });
  return await referenceVerdict(answer.method, new URL(path, server.origin));
}

async function asked(
  server: AnswerServer,
  answer: GeneratedAnswer,
  bulk: boolean,
): Promise<Verdict | undefined> {
  await using wire = wireTo(server);
  const offer = server.offer(answer);
  const { method, isSentFirst, isRight, hasSurplus } = answer;
  const verdict = await verdictOf(wire, { method, url: new URL(offer.path, server.origin), bulk });
  if (isSentFirst) await offer.sent;
  const next = server.offer(own);
  const got = await verdictOf(wire, { method: 'GET', url: new URL(next.path, server.origin), bulk });
  assert.equal(got?.body, 'its own', 'the next request got another answer');
  if (isRight && hasSurplus)
    assert.notEqual(next.socket, offer.socket, 'a connection is used behind surplus bytes');
  return verdict;
}

const own = {
  text: 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nits own',
  cuts: [],
  pauseMs: 0,
  closes: false,
};

function wireTo({ origin }: AnswerServer): Wire {
  const { host, href } = new URL(origin);
  return new Wire({
    clock: systemClock,
    guard: new AddressGuard({
      host,
      origin: new URL(href),
      configured: true,
      unknownRegistries: 'none',
    }),
    proxies: ProxyChoice.none,
    names: someNames(),
    hostname: '127.0.0.1',
    tls: {},
    trust: new TlsTrust({}),
    connectTimeoutMs: timeoutMs,
    headersTimeoutMs: timeoutMs,
    stallTimeoutMs: timeoutMs,
    maxConcurrent: 1,
    userAgent: 'fuzz',
  });
}
