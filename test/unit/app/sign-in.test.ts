import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { basicHeader, bcrypt } from '#test/fakes/passwords.ts';
import { assertSecretless, secret } from '#test/fakes/secrets.ts';
import {
  alice,
  authorizeUrl,
  codeFor,
  errorOf,
  type Fields,
  newPkce,
  oddName,
  opened,
  publicUrl,
  pullA,
  pullB,
  type SignInApp,
  sent,
  signInApp,
  token,
  webBack,
  webRequest,
} from '#test/fakes/sign-in-app.ts';
import { asked, password } from '#test/fakes/token-app.ts';

const invalidGrant = '400 invalid_grant';

async function statusWith(url: string, path: string, access: unknown): Promise<number> {
  return (await asked(url + path, { headers: { authorization: `Bearer ${String(access)}` } })).status;
}

describe('a program to which a user is sent back', () => {
  let app: SignInApp;
  let url: string;
  before(async () => {
    app = await signInApp();
    ({ url } = app);
  });
  after(async () => await app[Symbol.asyncDispose]());

  const exchange = async (code: string, verifier: string, more: Fields = {}) =>
    await token(url, 'web', {
      ...{ grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: webBack },
      ...more,
    });

  it('gets a code, and with it tokens in the name of the user, for what he allowed', async () => {
    const { verifier, challenge } = newPkce();
    const { location, status } = await sent(authorizeUrl(url, webRequest(challenge)), alice);
    assert.equal(status, 303);
    assert.ok(location !== undefined);
    assert.equal(`${location.origin}${location.pathname}`, webBack);
    assert.deepEqual([...location.searchParams.keys()], ['code', 'state', 'iss']);
    assert.equal(location.searchParams.get('state'), 'st');
    assert.equal(location.searchParams.get('iss'), publicUrl);
    const code = String(location.searchParams.get('code'));
    const answer = await exchange(code, verifier);
    const { access_token: access, refresh_token: refresh, ...rest } = answer.body;
    assert.deepEqual(rest, { token_type: 'Bearer', expires_in: 7200, scope: pullA });
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.partialDeepStrictEqual(decodeJwt(String(access)), {
      sub: 'alice',
      client_id: 'web',
      scope: pullA,
    });
    assert.equal(await statusWith(url, '/v2/team/a/manifests/v1', access), 404);
    assert.equal(await statusWith(url, '/v2/team/b/manifests/v1', access), 401);
    // It opens no door by itself.
    assert.equal(await statusWith(url, '/v2/', refresh), 401);
    assert.equal(await statusWith(url, '/v2/', code), 401);
    const lines = app.server.log.lines.join('\n');
    for (const given of [code, verifier, String(refresh), String(access)]) assert.ok(!lines.includes(given));
    assertSecretless(lines, 'the log');
  });

  it('gets nothing for a code that was shown before, and what the first got ends', async () => {
    const { verifier, challenge } = newPkce();
    const code = await codeFor(url, webRequest(challenge));
    const { status, body } = await exchange(code, verifier);
    assert.equal(status, 200);
    assert.equal(await errorOf(exchange(code, verifier)), invalidGrant);
    const again = { grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) };
    assert.equal(await errorOf(token(url, 'web', again)), invalidGrant);
  });

  it('gets nothing twice for a code that is shown by two at once', async () => {
    const { verifier, challenge } = newPkce();
    const code = await codeFor(url, webRequest(challenge));
    const answers = await Promise.all([exchange(code, verifier), exchange(code, verifier)]);
    const refreshes = answers.flatMap(({ body }) => body['refresh_token'] ?? []);
    assert.ok(answers.filter(({ status }) => status === 200).length <= 1);
    for (const refresh of refreshes) {
      const again = { grant_type: 'refresh_token', refresh_token: String(refresh) };
      assert.equal(await errorOf(token(url, 'web', again)), invalidGrant);
    }
  });

  it('gets nothing for a code of another program, which is used up by that', async () => {
    const { verifier, challenge } = newPkce();
    const code = await codeFor(url, webRequest(challenge));
    const fields = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: webBack };
    assert.equal(await errorOf(token(url, 'other', fields)), invalidGrant);
    assert.equal(await errorOf(exchange(code, verifier)), invalidGrant);
  });

  for (const [what, change] of Object.entries<(challenge: string) => Fields>({
    'another verifier': () => ({ code_verifier: newPkce().verifier }),
    'no verifier': () => ({ code_verifier: '' }),
    'the challenge for a verifier': (challenge) => ({ code_verifier: challenge }),
    'another redirect_uri': () => ({ redirect_uri: `${webBack}?kept=1` }),
    'no redirect_uri': () => ({ redirect_uri: '' }),
  }))
    it(`gets nothing with ${what}`, async () => {
      const { verifier, challenge } = newPkce();
      const code = await codeFor(url, webRequest(challenge));
      assert.equal(await errorOf(exchange(code, verifier, change(challenge))), invalidGrant);
    });

  it('is not gone back to where it is not registered', async () => {
    const { challenge } = newPkce();
    const tricks = [
      '',
      'https://web.test/',
      'https://web.test/back/',
      'https://web.test/back/../back',
      'https://web.test/back#',
      'https://web.test/back?x=1',
      'https://web.test/back%2f',
      'https://web.test:443/back',
      'https://WEB.test/back',
      'http://web.test/back',
      'https://web.test@evil.test/back',
      'https://web.test.evil.test/back',
      'https://evil.test/?https://web.test/back',
      '//evil.test/back',
      'javascript:alert(1)',
      `${webBack}\r\nX: y`,
      `${webBack} https://evil.test/`,
    ];
    for (const redirect of tricks) {
      const page = await opened(authorizeUrl(url, { ...webRequest(challenge), redirect_uri: redirect }));
      assert.deepEqual([page.status, page.location], [400, undefined], redirect);
      assert.ok(!page.text.includes('evil'), redirect);
      // Nor with the right password.
      const sentBack = await sent(
        authorizeUrl(url, { ...webRequest(challenge), redirect_uri: redirect }),
        alice,
      );
      assert.deepEqual([sentBack.status, sentBack.location], [400, undefined], redirect);
    }
    const nobodys = await opened(authorizeUrl(url, { ...webRequest(challenge), client_id: 'nobody' }));
    assert.deepEqual([nobodys.status, nobodys.location], [400, undefined]);
    const twice = await opened(`${authorizeUrl(url, webRequest(challenge))}&redirect_uri=https://evil.test`);
    assert.deepEqual([twice.status, twice.location], [400, undefined]);
    // One that sends nobody anywhere.
    const none = await opened(authorizeUrl(url, { ...webRequest(challenge), client_id: '000000' }));
    assert.deepEqual([none.status, none.location], [400, undefined]);
  });

  it('may listen at any port of a loopback address that is registered without one', async () => {
    const { challenge } = newPkce();
    const request = { ...webRequest(challenge), client_id: 'app', scope: '' };
    const status = async (redirect: string): Promise<number> =>
      (await opened(authorizeUrl(url, { ...request, redirect_uri: redirect }))).status;
    assert.equal(await status('http://127.0.0.1/back'), 200);
    assert.equal(await status('http://127.0.0.1:49152/back'), 200);
    assert.equal(await status('com.example.app:/back'), 200);
    for (const other of [
      'http://127.0.0.1:99999/back',
      'http://127.0.0.1:80@evil.test/back',
      'http://127.0.0.1.evil.test/back',
      'http://127.0.0.1:8080',
      'http://127.0.0.1:8080/other',
      'http://[::1]:8080/back',
      'http://localhost:8080/back',
      'https://127.0.0.1:8080/back',
      'com.example.app:/other',
    ])
      assert.equal(await status(other), 400, other);
  });

  it('hears what is wrong with its request, with its state and by whom, and why implicit is refused', async () => {
    const { challenge } = newPkce();
    const request = webRequest(challenge);
    const state = '<script>&"\r\nLocation: https://evil.test';
    const refused = async (change: Fields): Promise<URL> => {
      const page = await opened(authorizeUrl(url, { ...request, state, ...change }));
      assert.equal(page.status, 303);
      const { location } = page;
      assert.ok(location !== undefined);
      assert.equal(`${location.origin}${location.pathname}`, webBack);
      assert.equal(location.searchParams.get('state'), state);
      assert.equal(location.searchParams.get('iss'), publicUrl);
      assert.equal(location.searchParams.get('code'), null);
      return location;
    };
    const cases: readonly (readonly [change: Fields, error: string])[] = [
      [{ response_type: 'code token' }, 'unsupported_response_type'],
      [{ response_type: 'id_token' }, 'unsupported_response_type'],
      [{ response_mode: 'fragment' }, 'invalid_request'],
      [{ code_challenge_method: 'plain' }, 'invalid_request'],
      [{ code_challenge_method: '' }, 'invalid_request'],
      [{ code_challenge: '' }, 'invalid_request'],
      [{ code_challenge: 'x'.repeat(42) }, 'invalid_request'],
      [{ scope: `${pullA} repository:team/c:pull` }, 'invalid_scope'],
      [{ scope: '"<script>' }, 'invalid_scope'],
    ];
    for (const [change, error] of cases)
      assert.equal((await refused(change)).searchParams.get('error'), error, JSON.stringify(change));
    const implicit = await refused({ response_type: 'token' });
    assert.equal(implicit.searchParams.get('error'), 'unsupported_response_type');
    assert.match(String(implicit.searchParams.get('error_description')), /implicit .*RFC 9700/);
    const kept = await opened(
      authorizeUrl(url, { ...request, response_type: 'token', redirect_uri: `${webBack}?kept=1` }),
    );
    assert.match(String(kept.location), /\/back\?kept=1&error=/);
  });

  it('hears that the user does not allow it, whatever he has typed', async () => {
    const { challenge } = newPkce();
    const { status, location } = await sent(authorizeUrl(url, webRequest(challenge)), {
      ...alice,
      answer: 'deny',
    });
    assert.deepEqual(
      [status, location?.searchParams.get('error'), location?.searchParams.get('code')],
      [303, 'access_denied', null],
    );
  });
});

describe('the login page', () => {
  let app: SignInApp;
  let url: string;
  before(async () => {
    app = await signInApp();
    ({ url } = app);
  });
  after(async () => await app[Symbol.asyncDispose]());

  const at = (): string => authorizeUrl(url, webRequest(newPkce().challenge));

  it('runs nothing, is in no frame, is not kept, and its form leads to the program alone', async () => {
    const { status, headers, text } = await opened(at());
    assert.equal(status, 200);
    assert.match(String(headers.get('content-type')), /^text\/html; charset=utf-8$/);
    const policy = String(headers.get('content-security-policy'));
    for (const part of [
      "default-src 'none'",
      "frame-ancestors 'none'",
      "form-action 'self' https://web.test",
      "base-uri 'none'",
    ])
      assert.ok(policy.split('; ').includes(part), part);
    assert.ok(!policy.includes('unsafe') && !policy.includes('script-src'));
    assert.deepEqual(
      ['x-frame-options', 'x-content-type-options', 'referrer-policy', 'cache-control', 'set-cookie'].map(
        (name) => headers.get(name),
      ),
      ['DENY', 'nosniff', 'same-origin', 'no-store', null],
    );
    assert.ok(!/<script|https?:\/\/(?!web\.test)/.test(text));
    for (const name of ['username', 'password'])
      assert.match(
        text,
        new RegExp(`<label for="${name}">[^<]+</label>\\s*<input id="${name}" name="${name}"`),
      );
    assert.match(text, /autocomplete="username"/);
    assert.match(text, /type="password" autocomplete="current-password"/);
    // Whatever path leads to it: the form is sent to where it stands.
    assert.ok(!/action=/.test(text));
  });

  it('signs nobody in by a form of another page', async () => {
    for (const headers of [
      { origin: 'https://evil.test' },
      { origin: 'null' },
      { origin: 'http://cache.test' },
      { origin: 'https://cache.test:8443' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]) {
      const page = await sent(at(), alice, headers);
      assert.deepEqual([page.status, page.location], [403, undefined], JSON.stringify(headers));
      assert.match(page.text, /https:\/\/cache\.test/);
    }
    const body = new URLSearchParams(alice);
    const unsaid = await opened(at(), { method: 'POST', body });
    assert.deepEqual([unsaid.status, unsaid.location], [403, undefined]);
  });

  it('says that something was wrong, and not what, to readers of any kind', async () => {
    const user = `<img src=x onerror="a('b')">`;
    for (const fields of [
      { username: user, password: secret('x') },
      { username: 'alice', password: secret('y') },
      { username: '', password: '' },
      { username: 'alice:x', password },
    ]) {
      const page = await sent(at(), { answer: 'allow', ...fields });
      assert.deepEqual([page.status, page.location], [403, undefined]);
      assert.match(page.text, /<p role="alert" id="fault">The user or the password is wrong\.<\/p>/);
      assert.match(page.text, /aria-invalid="true" aria-describedby="fault"/);
      assert.ok(!page.text.includes('<img'));
      assertSecretless(page.text, 'the page');
    }
    assert.match(
      (await sent(at(), { ...alice, username: user })).text,
      /value="&lt;img src=x onerror=&quot;a\(&#39;b/,
    );
  });

  it('shows names as they are written', async () => {
    const { text } = await opened(at());
    assert.ok(!text.includes(oddName));
    assert.ok(text.includes('&lt;b onclick=&#39;x&#39;&gt;Web &amp; &quot;Co&quot;&lt;/b&gt;'));
    assert.ok(text.includes('<li><code>repository:team/a:pull</code></li>'));
    assert.ok(text.includes('<code>https://web.test</code>'));
  });

  it('says that all is allowed where the scopes keep it from nothing', async () => {
    const { verifier, challenge } = newPkce();
    const request = { ...webRequest(challenge), client_id: 'named', scope: 'profile' };
    const { text } = await opened(authorizeUrl(url, request));
    assert.match(text, /It may then do all that you may do here\./);
    assert.ok(!text.includes('as far as'));
    const code = await codeFor(url, request);
    const shown = { code, code_verifier: verifier, redirect_uri: webBack };
    const { body } = await token(url, 'named', { grant_type: 'authorization_code', ...shown });
    const pushed = await asked(`${url}/v2/team/a/blobs/uploads/`, {
      method: 'POST',
      headers: { authorization: `Bearer ${String(body['access_token'])}` },
    });
    assert.equal(pushed.status, 202);
  });

  it('takes no secret out of the URL, no form of another kind, and none that is large', async () => {
    for (const name of ['password', 'code', 'token', 'client_secret']) {
      const page = await opened(`${at()}&${name}=${secret('in-a-url')}`);
      assert.equal(page.status, 400, name);
    }
    const json = { 'content-type': 'application/json', origin: 'https://cache.test' };
    const other = await opened(at(), { method: 'POST', body: JSON.stringify(alice), headers: json });
    assert.equal(other.status, 400);
    const large = await sent(at(), { ...alice, username: 'x'.repeat(1_000_000) });
    assert.equal(large.status, 413);
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`f${index}`, 'x']));
    assert.equal((await sent(at(), many)).status, 400);
    const flood = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`x-${index}`, 'y'.repeat(400)]),
    );
    assert.equal((await sent(at(), alice, flood).catch(() => ({ status: 431 }))).status, 431);
    assert.equal((await opened(at(), { method: 'DELETE' })).status, 405);
    assertSecretless(app.server.log, 'the log');
  });
});

describe('a form that comes a byte at a time', () => {
  it('is not waited for as long as something comes', async () => {
    const clock = new FakeClock();
    await using app = await signInApp({ clock });
    const before = clock.sleeping;
    const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
    const answer = text(socket);
    socket.write(
      'POST /token HTTP/1.1\r\nHost: cache.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\ngrant_type=',
    );
    await clock.untilSleeping(before + 1);
    for (let step = 0; !socket.readableEnded; step += 1) {
      if (step < 3) socket.write('a');
      await clock.advance(20_000);
    }
    assert.match(await answer, /^HTTP\/1\.1 408 .*did not come within 30 s/s);
  });
});

describe('guesses at passwords', () => {
  it('count together, on the page and by the password grant, and then none is looked at', async () => {
    await using app = await signInApp({ clock: new FakeClock() });
    const { url } = app;
    const page = async (typed: string): Promise<number> =>
      (await sent(authorizeUrl(url, webRequest(newPkce().challenge)), { ...alice, password: typed })).status;
    const grant = async (typed: string): Promise<number> =>
      (await token(url, 'old', { grant_type: 'password', username: 'alice', password: typed })).status;
    for (let guess = 0; guess < 5; guess += 1) {
      assert.equal(await page(secret(`page ${guess}`)), 403);
      assert.equal(await grant(secret(`grant ${guess}`)), 400);
    }
    assert.deepEqual([await page(secret('one more')), await grant(secret('and another'))], [429, 429]);
    assert.deepEqual([await page(password), await grant(password)], [429, 429]);
    const shown = { authorization: basicHeader('alice', password) };
    assert.equal((await asked(`${url}/v2/token`, { headers: shown })).status, 429);
    const over = await sent(authorizeUrl(url, webRequest(newPkce().challenge)), alice);
    assert.equal(over.headers.get('retry-after'), '60');
    assert.match(over.text, /role="alert"/);
  });
});

describe('what a user has allowed', () => {
  const refreshed = async (url: string, client: string, refresh: unknown, more: Fields = {}) =>
    await token(url, client, { grant_type: 'refresh_token', refresh_token: String(refresh), ...more });
  const byPassword = { grant_type: 'password', username: 'alice', password };

  it('lasts by refresh tokens, each of which is good once', async () => {
    await using app = await signInApp();
    const { url } = app;
    const first = (await token(url, 'old', byPassword)).body['refresh_token'];
    const second = await refreshed(url, 'old', first);
    assert.equal(second.status, 200);
    assert.notEqual(second.body['refresh_token'], first);
    assert.equal(await statusWith(url, '/v2/team/a/manifests/v1', second.body['access_token']), 404);
    const third = await refreshed(url, 'old', second.body['refresh_token']);
    assert.equal(third.status, 200);
    // The second has a reader who should not have it: nobody can say which of the two asks now.
    assert.equal(await errorOf(refreshed(url, 'old', second.body['refresh_token'])), invalidGrant);
    assert.equal(await errorOf(refreshed(url, 'old', third.body['refresh_token'])), invalidGrant);
  });

  it('is renewed by one of two who show the same at once', async () => {
    await using app = await signInApp();
    const { url } = app;
    const { body } = await token(url, 'old', byPassword);
    const refresh = body['refresh_token'];
    const answers = await Promise.all([1, 2, 3].map(async () => await refreshed(url, 'old', refresh)));
    assert.ok(answers.filter(({ status }) => status === 200).length <= 1);
    for (const answer of answers.filter(({ status }) => status === 200))
      assert.equal(await errorOf(refreshed(url, 'old', answer.body['refresh_token'])), invalidGrant);
  });

  it('is not renewed for more, and for less it stays what it was', async () => {
    await using app = await signInApp();
    const { url } = app;
    const { body } = await token(url, 'old', { ...byPassword, scope: pullA });
    const refresh = body['refresh_token'];
    for (const scope of [pullB, `${pullA} ${pullB}`, 'repository:team/a:push', 'other'])
      assert.equal(await errorOf(refreshed(url, 'old', refresh, { scope })), '400 invalid_scope', scope);
    const same = await refreshed(url, 'old', refresh);
    assert.deepEqual([same.status, same.body['scope']], [200, pullA]);
    const both = await token(url, 'old', byPassword);
    const less = await refreshed(url, 'old', both.body['refresh_token'], { scope: pullB });
    assert.equal(less.body['scope'], pullB);
    const again = await refreshed(url, 'old', less.body['refresh_token']);
    assert.equal(again.body['scope'], `${pullA} ${pullB}`);
  });

  it('is of the program that it was given to, and ends when another shows it', async () => {
    await using app = await signInApp();
    const { url } = app;
    const { body } = await token(url, 'old', byPassword);
    const refresh = body['refresh_token'];
    assert.equal(await errorOf(refreshed(url, 'other', refresh)), invalidGrant);
    assert.equal(await errorOf(refreshed(url, 'old', refresh)), invalidGrant);
    for (const none of ['', 'x', '.', `${'x'.repeat(43)}.${'y'.repeat(43)}`, 'x'.repeat(10_000)])
      assert.equal((await refreshed(url, 'old', none)).status, 400, none.slice(0, 50));
  });

  it('ends with the password, or with the user: codes, tokens and what renews them', async () => {
    const clock = new FakeClock();
    await using app = await signInApp({ clock });
    const { url, server } = app;
    const pkce = newPkce();
    const fields = { grant_type: 'authorization_code', redirect_uri: webBack, code_verifier: pkce.verifier };
    for (const line of [`alice:${bcrypt(secret('new'))}\n`, `bob:${bcrypt(password)}\n`]) {
      await writeFile(server.htpasswdFile, `alice:${bcrypt(password)}\n`);
      await asked(`${url}/v2/token`, {
        headers: { authorization: basicHeader('alice', secret(line.slice(0, 12))) },
      });
      const { body } = await token(url, 'old', byPassword);
      assert.equal(await statusWith(url, '/v2/', body['access_token']), 200);
      const code = await codeFor(url, webRequest(pkce.challenge));
      await writeFile(server.htpasswdFile, line);
      assert.equal(await errorOf(token(url, 'web', { ...fields, code })), invalidGrant);
      assert.equal(await errorOf(refreshed(url, 'old', body['refresh_token'])), invalidGrant);
      assert.equal(await statusWith(url, '/v2/', body['access_token']), 401);
    }
  });

  it('ends by itself: a code in a minute, the rest thirty days after the sign-in', async () => {
    const clock = new FakeClock();
    await using app = await signInApp({ clock });
    const { url } = app;
    const { verifier, challenge } = newPkce();
    const code = await codeFor(url, webRequest(challenge));
    let refresh = (await token(url, 'old', byPassword)).body['refresh_token'];
    await clock.advance(60_000);
    const fields = { grant_type: 'authorization_code', redirect_uri: webBack, code_verifier: verifier, code };
    assert.equal(await errorOf(token(url, 'web', fields)), invalidGrant);
    for (let day = 1; day < 30; day += 1) {
      await clock.advance(24 * 3_600_000);
      ({ refresh_token: refresh } = (await refreshed(url, 'old', refresh)).body);
    }
    await clock.advance(24 * 3_600_000);
    assert.equal(await errorOf(refreshed(url, 'old', refresh)), invalidGrant);
  });

  it('does not last for a program that may not renew it', async () => {
    await using app = await signInApp();
    const { status, body } = await token(app.url, 'once', byPassword);
    assert.deepEqual([status, body['refresh_token'], body['scope']], [200, undefined, undefined]);
    assert.equal(await statusWith(app.url, '/v2/team/b/manifests/v1', body['access_token']), 404);
  });
});

describe('grants', () => {
  it('are those that the program has, and it shows its secret if it has one', async () => {
    await using app = await signInApp();
    const { url } = app;
    const user = { grant_type: 'password', username: 'alice', password };
    assert.equal(await errorOf(token(url, '000000', user)), '400 unauthorized_client');
    assert.equal(await errorOf(token(url, 'app', user)), '400 unauthorized_client');
    assert.equal(
      await errorOf(token(url, 'old', { grant_type: 'client_credentials' })),
      '400 unauthorized_client',
    );
    assert.equal(await errorOf(token(url, 'old', { ...user, client_secret: '' })), '401 invalid_client');
    assert.equal(
      await errorOf(token(url, 'old', { ...user, client_secret: secret('no') })),
      '401 invalid_client',
    );
    // A public client has none, and whoever shows one is another.
    assert.equal(
      await errorOf(token(url, 'app', { ...user, client_secret: secret('no') })),
      '401 invalid_client',
    );
    assert.equal(await errorOf(token(url, 'old', { ...user, password: '' })), '400 invalid_request');
    assert.equal(await errorOf(token(url, 'old', { ...user, password: secret('no') })), invalidGrant);
    assert.equal(await errorOf(token(url, 'old', { ...user, scope: 'other' })), '400 invalid_scope');
    assert.equal((await token(url, '000000', { grant_type: 'client_credentials' })).status, 200);
    const unknown = await token(url, 'old', { grant_type: 'urn:x' });
    assert.equal(unknown.body['error'], 'unsupported_grant_type');
    assertSecretless(app.server.log, 'the log');
  });

  it('are published, where clients look for them', async () => {
    await using app = await signInApp();
    const wellKnown = '/.well-known/oauth-authorization-server';
    const answers = await Promise.all(
      ['', '/here'].map(async (path) => await asked(app.url + wellKnown + path)),
    );
    for (const { status, body, headers } of answers) {
      assert.deepEqual([status, headers.get('cache-control')], [200, 'public, max-age=300']);
      assert.deepEqual(body, {
        issuer: publicUrl,
        token_endpoint: `${publicUrl}/token`,
        token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
        grant_types_supported: [
          ...['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
          ...['password', 'client_credentials'],
        ],
        response_types_supported: ['code'],
        authorization_endpoint: `${publicUrl}/authorize`,
        response_modes_supported: ['query'],
        code_challenge_methods_supported: ['S256'],
        authorization_response_iss_parameter_supported: true,
        device_authorization_endpoint: `${publicUrl}/device_authorization`,
        jwks_uri: `${publicUrl}/v2/token/jwks.json`,
      });
    }
  });

  it('say whose the tokens are, as these do, whatever the token service is called', async () => {
    await using app = await signInApp();
    const wellKnown = `${app.url}/.well-known/oauth-authorization-server`;
    const { body } = await asked(wellKnown);
    const { body: given } = await token(app.url, '000000', { grant_type: 'client_credentials' });
    const access = String(given['access_token']);
    assert.equal(decodeJwt(access).iss, body['issuer'], 'RFC 9068 section 4');
    const headers = { authorization: `Bearer ${access}` };
    assert.equal((await asked(`${app.url}/v2/`, { headers })).status, 200);
  });

  it('have no pages where no program has them', async () => {
    const clients = [{ id: 'app', public: true, grants: ['password'] }];
    await using app = await signInApp({ oauth: { clients } });
    const asks = { grant_type: 'authorization_code', code: 'x' };
    assert.equal(await errorOf(token(app.url, 'app', asks)), '400 unsupported_grant_type');
    for (const path of ['/device', '/device_authorization'])
      assert.equal((await opened(app.url + path)).status, 404, path);
    assert.equal((await opened(`${app.url}/authorize?response_type=code`)).status, 400);
    assert.equal((await sent(`${app.url}/authorize`, alice)).status, 405);
  });
});
