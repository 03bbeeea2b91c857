import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask, codeOf } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { content, type Fault, json } from '#test/fakes/upstream-answers.ts';
import { chunked, cutAfter, delayed, failing, html, redirected } from '#test/fakes/upstream-faults.ts';

/** The whole program with one tag in its cache, whose token has been revoked: what comes next needs another. */
async function openApp(clock?: FakeClock) {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const tokens = stack.use(await FakeTokenServer.start());
  upstream.faults.push(tokens.fault);
  for (const tag of ['cached', 'other']) putImage(upstream.content, upstream.repository('team/app'), tag, []);
  const log = new LogLines();
  const settings = {
    imagePath: directory.path,
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    cache: { freshness: 'always', complete: false },
  };
  const app = stack.use(await runApp(settings, { log, random: () => 0, ...(clock && { clock }) }));
  const get = async (tag: string) => await ask(app.server, `/v2/up/team/app/manifests/${tag}`);
  assert.equal((await get('cached')).status, 200);
  tokens.revoke();
  const opened = stack.move();
  return { tokens, log, get, [Symbol.asyncDispose]: async () => await opened.disposeAsync() };
}

/** As text, or as what JSON makes of it. */
function says(body: unknown): Fault {
  return () => (typeof body === 'string' ? content(body, 'application/json') : json(body));
}

const tenMegabytes = JSON.stringify({ token: 'x'.repeat(10 * 1024 * 1024) });
const denied = [403, 'DENIED'] as const;
const limited = [429, 'TOOMANYREQUESTS'] as const;
const after60 = { 'Retry-After': '60' };

describe('a token server', () => {
  const bad: [
    what: string,
    fault: Fault,
    want: readonly [number, string],
    log: RegExp,
    retryAfter?: string,
  ][] = [
    ['that serves a web page', html(), denied, /answered without a token/],
    ['that sends ten megabytes', says(tenMegabytes), denied, /token answer too large/],
    [
      'that sends ten megabytes without saying so',
      async (request, next) => await chunked(request, async () => await says(tenMegabytes)(request, next)),
      denied,
      /token answer too large/,
    ],
    ['that says nothing', says(''), denied, /answered without a token/],
    [
      'that says nothing by 204',
      () => content('', 'text/plain', {}, 204),
      denied,
      /answered without a token/,
    ],
    ['that says null', says(null), denied, /answered without a token/],
    ['that gives a list', says([]), denied, /answered without a token/],
    ['that gives half of a mapping', says('{"token":'), denied, /answered without a token/],
    ['that gives a number', says({ token: 5 }), denied, /answered without a token/],
    ['that gives two lines', says({ token: 'a\r\nb' }), denied, /answered without a token/],
    ['that finds the request wrong', failing(400), denied, /answered 400/],
    ['that knows nobody', failing(401), denied, /answered 401/],
    ['that forbids', failing(403), denied, /answered 403/],
    ['that is not there', failing(404), denied, /answered 404/],
    ['that has no GET', failing(405), denied, /answered 405/],
    ['that is a teapot', failing(418), denied, /answered 418/],
    ['that limits us', failing(429, after60), limited, /answered 429/, '60'],
    ['that limits us without end', failing(429), limited, /answered 429/],
    ['that is broken', failing(500), [502, 'UNAVAILABLE'], /answered 500/],
    ['that has nothing behind it', failing(502), [502, 'UNAVAILABLE'], /answered 502/],
    ['that is overloaded', failing(503, after60), [503, 'UNAVAILABLE'], /answered 503/, '60'],
    ['that waits in vain itself', failing(504), [504, 'UNAVAILABLE'], /answered 504/],
    ['that redirects to a metadata service', redirected('http://169.254.169.254'), denied, /is not public/],
    ['that redirects in a circle', redirected('/token'), denied, /redirects too often/],
    ['that redirects to nowhere', redirected(() => 'http://['), denied, /redirects to what is no URL/],
    ['that redirects to a file', redirected(() => 'file:///etc/passwd'), denied, /which is not https/],
    [
      'that breaks off',
      () => {
        throw new Error('breaks off');
      },
      [502, 'UNAVAILABLE'],
      /no answer from/,
    ],
    ['that breaks off in the middle', cutAfter(5), [502, 'UNAVAILABLE'], /no answer from/],
  ];
  for (const [what, fault, [status, code], message, retryAfter] of bad) {
    it(`${what} is ${status} ${code} to a client, and nothing to what is cached`, async () => {
      await using test = await openApp();
      test.tokens.spoil(fault);
      const got = await test.get('other');
      assert.deepEqual([got.status, codeOf(got)], [status, code]);
      assert.equal(got.headers['retry-after'], retryAfter);
      assert.equal(got.headers['www-authenticate'], undefined);
      const stale = await test.get('cached');
      assert.equal(stale.status, 200);
      assert.match(String(stale.headers['cache-status']), /^ociregistry; hit; detail="stale: /);
      const lines = test.log.lines.filter((line) => line.includes('manifests/other'));
      assert.match(lines.join('\n'), message);
    });
  }

  const good: [what: string, more: object][] = [
    ['negative', { expires_in: -5 }],
    ['text', { expires_in: '300' }],
    ['a word', { expires_in: 'soon' }],
    ['beyond measure', { expires_in: 1e308 }],
  ];
  for (const [what, more] of good) {
    it(`whose token has a life that is ${what} is good for all that`, async () => {
      await using test = await openApp();
      test.tokens.spoil(async (_, next) => {
        const { body = [] } = await next();
        const token = JSON.parse(Buffer.concat(await Array.fromAsync(body)).toString()) as object;
        return json({ ...token, ...more });
      });
      assert.equal((await test.get('other')).status, 200);
    });
  }

  it('that cannot be reached is 502 to a client, and nothing to what is cached', async () => {
    await using test = await openApp();
    await test.tokens.close();
    assert.equal((await test.get('other')).status, 502);
    assert.match(test.log.lines.join('\n'), /connection refused/);
    assert.equal((await test.get('cached')).status, 200);
  });

  for (const what of ['no answer', 'no end of its answer']) {
    it(`that has ${what} is 503 to a client in time, and nothing to what is cached`, async () => {
      const clock = new FakeClock();
      await using test = await openApp(clock);
      const held = gate();
      const stalled: Fault = async (_, next) => {
        const answer = await next();
        const body = (async function* () {
          yield Buffer.from('{');
          await held.wait();
        })();
        return { ...answer, body };
      };
      test.tokens.spoil(what === 'no answer' ? delayed(held.wait) : stalled);
      try {
        const got = test.get('other');
        await held.reached;
        await clock.advance(20_000);
        assert.deepEqual([(await got).status, codeOf(await got)], [503, 'UNAVAILABLE']);
        assert.equal((await got).headers['retry-after'], '2');
        const { sleeping } = clock;
        const stale = test.get('cached');
        await clock.untilSleeping(sleeping + 3);
        await clock.advance(2000);
        assert.equal((await stale).status, 200);
      } finally {
        held.open();
      }
    });
  }
});
