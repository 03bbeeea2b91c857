import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdminCredential, type AdminSecrets } from '#src/admin/credential.ts';
import { type Asker, Guard } from '#src/admin/guard.ts';
import { RegistryError } from '#src/oci/error.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { secret } from '#test/fakes/secrets.ts';

const [password, token] = [secret('password'), secret('token')];
const both: AdminSecrets = { user: 'admin', password, token };
const basic = (user: string, text: string): string =>
  `Basic ${Buffer.from(`${user}:${text}`).toString('base64')}`;

function guarded(secrets?: Partial<AdminSecrets>, publicUrl?: string) {
  const clock = new FakeClock();
  const credential =
    secrets && AdminCredential.of({ user: '', password: undefined, token: undefined, ...secrets });
  const guard = new Guard({
    clock,
    credential,
    publicUrl: publicUrl === undefined ? undefined : new URL(publicUrl),
  });
  /** By what he is let in, else the status and the reason. */
  const ask = (asker: Partial<Asker> = {}): string => {
    try {
      const host = { host: 'localhost:8080' };
      const headers = { ...host, ...asker.headers };
      return guard.admit({ address: '127.0.0.1', httpVersion: '1.1', isAbsolute: false, ...asker, headers });
    } catch (error) {
      assert.ok(error instanceof RegistryError);
      return `${error.status} ${error.message}`;
    }
  };
  return { ask, clock };
}

describe('without a credential', () => {
  const { ask } = guarded();

  for (const address of ['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1'])
    it(`whoever is on this machine may administer: ${address}`, () => {
      assert.equal(ask({ address }), 'loopback');
    });

  for (const address of [
    '10.0.0.1',
    '::ffff:10.0.0.1',
    'fe80::1%lo',
    '::',
    '0.0.0.0',
    '::127.0.0.1',
    undefined,
  ])
    it(`nobody else may: ${address}`, () => {
      assert.match(ask({ address }), /^403 .*by loopback/);
    });

  const forwarded: Record<string, string> = {
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': 'localhost',
    'x-forwarded-proto': 'http',
    forwarded: 'for=127.0.0.1',
    'x-real-ip': '127.0.0.1',
    'x-client-ip': '127.0.0.1',
    'true-client-ip': '127.0.0.1',
    'cf-connecting-ip': '127.0.0.1',
    via: '1.1 proxy',
    'x-envoy-external-address': '127.0.0.1',
    'l5d-client-id': 'a.b',
  };
  for (const [name, value] of Object.entries(forwarded))
    it(`nobody behind a proxy of this machine may: ${name}`, () => {
      assert.match(ask({ headers: { [name]: value } }), new RegExp(`^403 .*\\(${name}\\)`));
    });

  it('nor behind one that says nothing of itself: HTTP/1.0, or the whole URL', () => {
    assert.match(ask({ httpVersion: '1.0' }), /^403 .*HTTP\/1\.0/);
    assert.match(ask({ isAbsolute: true }), /^403 .*whole URL/);
  });

  for (const host of [
    ...['localhost', 'LOCALHOST:8080', '127.0.0.1:8080', '192.168.1.7', '[::1]:8080', '[fe80::1]'],
    ...['cache.example.com', 'cache.example.com:8443', 'Cache.Example.COM'],
  ])
    it(`this server may be called ${host}`, () => {
      assert.equal(
        guarded(undefined, 'https://cache.example.com/mirror').ask({ headers: { host } }),
        'loopback',
      );
    });

  for (const host of [
    ...[
      'evil.example',
      'localhost.evil.example',
      'evil.example:8080',
      '127.0.0.1.evil.example',
      'localhost.',
    ],
    ...['', 'localhost@evil.example', '[evil.example]', '127.1', '0x7f000001', 'localhost:8080:8080'],
  ])
    it(`a page of a name that was rebound may not: ${JSON.stringify(host)}`, () => {
      assert.match(ask({ headers: { host } }), /^403 .*\(Host\)/);
    });

  const pages: Record<string, Asker['headers']> = {
    'a form': { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', 'user-agent': 'Mozilla/5.0' },
    'a sandboxed page': { origin: 'null' },
    'a script of the same origin': { origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' },
    'a picture': { 'sec-fetch-site': 'cross-site', 'user-agent': 'Mozilla/5.0' },
    'a page of the same machine': { 'sec-fetch-site': 'same-site' },
    'what a browser may say one day': { 'sec-fetch-site': 'nested' },
    'a link': { referer: 'https://evil.example/' },
    'a browser that says nothing': { 'user-agent': 'Mozilla/5.0 (Macintosh) Safari/605' },
  };
  for (const [name, headers] of Object.entries(pages))
    it(`no web page may: ${name}`, () => {
      assert.match(ask({ headers }), /^403 .*(?:Origin|Sec-Fetch-Site|Referer)/);
    });

  it('who types the address may, and so may programs', () => {
    assert.equal(ask({ headers: { 'sec-fetch-site': 'none', 'user-agent': 'Mozilla/5.0' } }), 'loopback');
    assert.equal(ask({ headers: { 'user-agent': 'curl/8' } }), 'loopback');
  });
});

describe('with a credential', () => {
  it('whoever shows it may administer, wherever he is and whoever forwards it', () => {
    const { ask } = guarded(both);
    const from = { address: '10.0.0.1', httpVersion: '1.0', isAbsolute: true };
    const forwarded = { 'x-forwarded-for': '10.9.9.9', host: 'admin.example' };
    const bearer = `Bearer ${token}`;
    assert.equal(ask({ ...from, headers: { ...forwarded, authorization: bearer } }), 'admin.token');
    const known = basic('admin', password);
    assert.equal(ask({ ...from, headers: { ...forwarded, authorization: known } }), 'admin.user');
  });

  it('nobody else may, on this machine either, and is told how he would', () => {
    const { ask } = guarded(both);
    assert.match(ask(), /^401 these calls need/);
    for (const authorization of [
      ...['Bearer', 'Bearer ', `Bearer ${token}x`, `Bearer ${password}`, `Digest ${token}`, token, ''],
      ...[basic('admin', token), basic('other', password), basic('', ''), `Basic ${password}`, 'Basic !'],
    ]) {
      const { ask: fresh } = guarded(both);
      assert.match(fresh({ headers: { authorization } }), /^401 this is not/, authorization);
    }
    const challenge = AdminCredential.of(both)?.challenge;
    assert.equal(
      challenge,
      'Basic realm="ociregistry admin", charset="UTF-8", Bearer realm="ociregistry admin"',
    );
    const ofUser = AdminCredential.of({ ...both, token: undefined });
    assert.equal(ofUser?.challenge, 'Basic realm="ociregistry admin", charset="UTF-8"');
  });

  it('half of one is none', () => {
    assert.equal(AdminCredential.of({ user: 'admin', password: undefined, token: undefined }), undefined);
    assert.equal(AdminCredential.of({ user: '', password, token: undefined }), undefined);
    const { ask } = guarded({ token });
    assert.match(ask({ headers: { authorization: basic('', '') } }), /^401/);
    assert.match(ask({ headers: { authorization: basic('undefined', 'undefined') } }), /^401/);
  });

  it('no other site’s page may with what a browser sends by itself', () => {
    const { ask } = guarded(both);
    const authorization = basic('admin', password);
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ])
      assert.match(ask({ headers: { authorization, ...headers } }), /^403 .*another site/);
    const own = { origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' };
    assert.equal(ask({ headers: { authorization, ...own } }), 'admin.user');
    const bearer = `Bearer ${token}`;
    assert.equal(ask({ headers: { authorization: bearer, origin: 'https://evil.example' } }), 'admin.token');
  });

  it('who guesses is not looked at any more for a minute, and others are', async () => {
    const { ask, clock } = guarded(both);
    const guess = (address: string, which: number): string =>
      ask({ address, headers: { authorization: `Bearer ${secret(`guess ${which}`)}` } });
    const right = { headers: { authorization: `Bearer ${token}` } };
    for (let at = 0; at < 10; at += 1) assert.match(guess('2001:db8::1', at), /^401/);
    assert.match(guess('2001:db8::2', 10), /^429/);
    assert.match(ask({ address: '2001:db8::3', ...right }), /^429/);
    assert.equal(ask({ address: '2001:db8:0:1::1', ...right }), 'admin.token');
    for (let at = 0; at < 10; at += 1) assert.match(guess('::ffff:10.0.0.1', at), /^401/);
    assert.match(guess('10.0.0.1', 10), /^429/);
    // Somebody's old credential, again and again: that is one.
    for (let at = 0; at < 20; at += 1) assert.match(guess('10.0.0.3', 0), /^401/);
    assert.equal(ask({ address: '10.0.0.3', ...right }), 'admin.token');
    // Nothing was shown, nothing is counted.
    for (let at = 0; at < 20; at += 1) assert.match(ask({ address: '10.0.0.2' }), /^401/);
    assert.equal(ask({ address: '10.0.0.2', ...right }), 'admin.token');
    await clock.advance(60_001);
    assert.equal(ask({ address: '2001:db8::3', ...right }), 'admin.token');
  });
});
