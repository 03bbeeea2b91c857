import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { decodeJwt } from 'jose';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bcrypt } from '#test/fakes/passwords.ts';
import { assertSecretless, secret } from '#test/fakes/secrets.ts';
import {
  alice,
  clientSecret,
  errorOf,
  type Fields,
  opened,
  type Page,
  publicUrl,
  sent,
  signInApp,
  token,
} from '#test/fakes/sign-in-app.ts';
import { asked, password, posted, type TokenAnswer } from '#test/fakes/token-app.ts';

const grantType = 'urn:ietf:params:oauth:grant-type:device_code';
const pending = '400 authorization_pending';

interface Device {
  readonly deviceCode: string;
  readonly userCode: string;
}

async function begun(url: string, client = 'app'): Promise<Device> {
  const { status, body } = await posted(`${url}/device_authorization`, { client_id: client });
  assert.equal(status, 200);
  return { deviceCode: String(body['device_code']), userCode: String(body['user_code']) };
}

async function polled(url: string, { deviceCode }: Device, client = 'app'): Promise<TokenAnswer> {
  return await token(url, client, { grant_type: grantType, device_code: deviceCode });
}

/** What a user sends from the page. */
async function typed(url: string, code: string, more: Fields = {}, headers: Fields = {}): Promise<Page> {
  return await sent(`${url}/device`, { user_code: code, ...more }, headers);
}

describe('a device that shows a code', () => {
  it('gets tokens in the name of the user who types it, reads who asks, and signs in', async () => {
    const clock = new FakeClock();
    await using app = await signInApp({ clock });
    const { url } = app;
    const { body, headers } = await posted(`${url}/device_authorization`, { client_id: 'app' });
    assert.equal(headers.get('cache-control'), 'no-store');
    const { device_code: deviceCode, user_code: userCode, ...rest } = body;
    assert.match(String(userCode), /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    assert.deepEqual(rest, {
      verification_uri: `${publicUrl}/device`,
      verification_uri_complete: `${publicUrl}/device?user_code=${String(userCode)}`,
      ...{ expires_in: 600, interval: 5 },
    });
    const device = { deviceCode: String(deviceCode), userCode: String(userCode) };
    assert.equal(await errorOf(polled(url, device)), pending);
    // A link writes the code into the form, and does nothing else.
    const link = await opened(`${url}/device?user_code=${device.userCode}`);
    assert.match(link.text, new RegExp(`value="${device.userCode}"`));
    assert.ok(!link.text.includes('password'));
    // Typed in another way.
    const page = await typed(url, device.userCode.toLowerCase().replace('-', ' '));
    assert.equal(page.status, 200);
    assert.match(page.text, /<strong>app<\/strong> asks to use <strong>cache\.test<\/strong>/);
    assert.match(page.text, new RegExp(`<p class="code">${device.userCode}</p>`));
    const done = await typed(url, device.userCode, alice);
    assert.deepEqual([done.status, /It is allowed/.test(done.text)], [200, true]);
    await clock.advance(5000);
    const answer = await polled(url, device);
    assert.equal(answer.status, 200);
    assert.partialDeepStrictEqual(decodeJwt(String(answer.body['access_token'])), {
      sub: 'alice',
      client_id: 'app',
    });
    const shown = { authorization: `Bearer ${String(answer.body['access_token'])}` };
    assert.equal((await asked(`${url}/v2/`, { headers: shown })).status, 200);
    const refresh = { grant_type: 'refresh_token', refresh_token: String(answer.body['refresh_token']) };
    assert.equal((await token(url, 'app', refresh)).status, 200);
    // Both codes are used up.
    assert.equal(await errorOf(polled(url, device)), '400 invalid_grant');
    assert.equal((await typed(url, device.userCode, alice)).status, 404);
    const lines = app.server.log.lines.join('\n');
    for (const given of [device.deviceCode, device.userCode]) assert.ok(!lines.includes(given));
    assertSecretless(lines, 'the log');
  });

  it('asks no more often than it is told, else less often still', async () => {
    const clock = new FakeClock();
    await using app = await signInApp({ clock });
    const device = await begun(app.url);
    const wait = async (milliseconds: number): Promise<string> => {
      await clock.advance(milliseconds);
      return await errorOf(polled(app.url, device));
    };
    assert.equal(await wait(0), pending);
    assert.equal(await wait(4999), '400 slow_down');
    assert.equal(await wait(9999), '400 slow_down');
    assert.equal(await wait(14_999), '400 slow_down');
    assert.equal(await wait(20_000), pending);
    assert.equal(await wait(20_000), pending);
  });

  it('hears that the user did not allow it, or that its time is over', async () => {
    const clock = new FakeClock();
    await using app = await signInApp({ clock });
    const { url } = app;
    const denied = await begun(url);
    const page = await typed(url, denied.userCode, { answer: 'deny' });
    assert.match(page.text, /It was not allowed/);
    assert.equal((await typed(url, denied.userCode, alice)).status, 404);
    assert.equal(await errorOf(polled(url, denied)), '400 access_denied');
    const late = await begun(url);
    await clock.advance(600_000);
    assert.equal((await typed(url, late.userCode, alice)).status, 404);
    assert.equal(await errorOf(polled(url, late)), '400 expired_token');
    await clock.advance(300_000);
    assert.equal(await errorOf(polled(url, late)), '400 invalid_grant');
  });

  it('gets what the user has allowed in time, also when it asks a moment later', async () => {
    const clock = new FakeClock();
    await using app = await signInApp({ clock });
    const device = await begun(app.url);
    await clock.advance(599_000);
    assert.match((await typed(app.url, device.userCode, alice)).text, /It is allowed/);
    await clock.advance(4000);
    assert.equal((await polled(app.url, device)).status, 200);
    assert.equal(await errorOf(polled(app.url, device)), '400 invalid_grant');
  });

  it('is not another one, nor another program', async () => {
    await using app = await signInApp();
    const { url } = app;
    const device = await begun(url);
    assert.equal((await typed(url, device.userCode, alice)).status, 200);
    assert.equal(await errorOf(polled(url, device, 'other')), '400 invalid_grant');
    for (const code of ['x', device.userCode, 'x'.repeat(43)])
      assert.equal(await errorOf(polled(url, { ...device, deviceCode: code })), '400 invalid_grant');
    assert.equal(await errorOf(token(url, 'app', { grant_type: grantType })), '400 invalid_request');
    assert.equal((await polled(url, device)).status, 200);
  });

  it('is allowed by nobody without his password, nor by a form of another page', async () => {
    await using app = await signInApp();
    const { url } = app;
    const device = await begun(url);
    const user = `"><script>alert(1)</script>`;
    const wrong = await typed(url, device.userCode, { ...alice, username: user, password: secret('no') });
    assert.equal(wrong.status, 403);
    assert.match(wrong.text, /role="alert"/);
    assert.ok(!wrong.text.includes('<script'));
    assert.equal((await typed(url, device.userCode, { answer: 'allow' })).status, 403);
    for (const headers of [
      { origin: 'https://evil.test' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
    ])
      for (const more of [{}, alice, { answer: 'deny' }])
        assert.equal((await typed(url, device.userCode, more, headers)).status, 403);
    assert.equal(await errorOf(polled(url, device)), pending);
  });

  it('gets nothing when the user is another by then', async () => {
    await using app = await signInApp();
    const { url, server } = app;
    const device = await begun(url);
    assert.equal((await typed(url, device.userCode, alice)).status, 200);
    await writeFile(server.htpasswdFile, `alice:${bcrypt(secret('another'))}\n`);
    assert.equal(await errorOf(polled(url, device)), '400 invalid_grant');
  });

  it('is found by nobody who guesses its code', async () => {
    await using app = await signInApp({ clock: new FakeClock() });
    const { url } = app;
    const device = await begun(url);
    const codes = Array.from('BCDFGHJKLM', (letter) => `BBBB-BBB${letter}`).filter(
      (code) => code !== device.userCode,
    );
    for (const code of [...codes, 'ZZZZ-ZZZZ'].slice(0, 10)) {
      const page = await typed(url, code);
      assert.equal(page.status, 404);
      assert.match(page.text, /role="alert"/);
    }
    for (const code of ['ZZZZ-ZZZX', device.userCode]) assert.equal((await typed(url, code)).status, 429);
    assert.equal((await typed(url, device.userCode, { ...alice, password })).status, 429);
  });

  it('shows what was typed as it was typed', async () => {
    await using app = await signInApp();
    const script = '<script>alert(1)</script>';
    const page = await typed(app.url, script);
    assert.equal(page.status, 404);
    assert.ok(!page.text.includes('<script'));
    assert.match(page.text, /value="&lt;script&gt;alert\(1\)/);
    const link = await opened(`${app.url}/device?user_code=${encodeURIComponent(script)}`);
    assert.match(link.text, /required value=""/);
    assert.match(
      String(link.headers.get('content-security-policy')),
      /form-action 'self'; frame-ancestors 'none'/,
    );
  });

  it('is one of so many from one network, and of a program that may', async () => {
    await using app = await signInApp();
    const { url } = app;
    const at = `${url}/device_authorization`;
    assert.equal(await errorOf(posted(at, { client_id: 'old' })), '401 invalid_client');
    const old = { client_id: 'old', client_secret: clientSecret };
    assert.equal(await errorOf(posted(at, old)), '400 unauthorized_client');
    assert.equal(await errorOf(posted(at, { client_id: 'nobody' })), '401 invalid_client');
    assert.equal(await errorOf(posted(at, { client_id: 'app', scope: 'any' })), '400 invalid_scope');
    for (let count = 0; count < 50; count += 1) await begun(url);
    assert.equal((await posted(at, { client_id: 'app' })).status, 429);
  });
});
