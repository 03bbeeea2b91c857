import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type GcpSettings, gcpSource } from '#src/credentials/providers/gcp.ts';
import { ProxyChoice } from '#src/net/dial/proxy-choice.ts';
import { connections } from '#test/fakes/cloud-connections.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeCloud, form } from '#test/fakes/fake-clouds.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { json } from '#test/fakes/upstream-answers.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

async function google() {
  await using stack = new AsyncDisposableStack();
  const cloud = stack.use(await FakeCloud.start());
  const { path } = stack.use(await temporaryDirectory());
  cloud.answer = () =>
    json({ access_token: 's3cret-in-tests-access', expires_in: 3599 }, 200, { 'Metadata-Flavor': 'Google' });
  const clock = new FakeClock();
  const { origin } = cloud;
  const ask = async (settings: Partial<GcpSettings> = {}) =>
    await gcpSource({
      env: { HOME: path },
      clock,
      connect: connections({ admits: origin }),
      log: new LogLines(),
      ...settings,
    }).fetch(AbortSignal.timeout(10_000));
  const keyFile = join(path, 'key.json');
  const opened = stack.move();
  return {
    cloud,
    clock,
    home: path,
    ask,
    keyFile,
    writeKey: async (key: unknown) => await writeFile(keyFile, JSON.stringify(key)),
    serviceAccount: {
      type: 'service_account',
      client_email: 'puller@example.iam.gserviceaccount.com',
      private_key_id: 'key-1',
      private_key: privateKey,
      token_uri: `${cloud.origin}/token`,
    },
    user: {
      type: 'authorized_user',
      client_id: 'client',
      client_secret: 's3cret-in-tests-client',
      refresh_token: 's3cret-in-tests-refresh',
      token_uri: `${cloud.origin}/token`,
    },
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

function claimsOf(jwt: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
}

describe('the service account of a machine or pod', () => {
  it('gives an access token by the metadata server', async () => {
    await using test = await google();
    const { credential, expiresAt } = await test.ask({
      env: { GCE_METADATA_HOST: test.cloud.host, HOME: test.home },
    });
    assert.deepEqual(credential, {
      kind: 'basic',
      username: 'oauth2accesstoken',
      password: 's3cret-in-tests-access',
    });
    assert.equal(expiresAt, test.clock.now() + 3_599_000);
    const { method, path, headers } = test.cloud.last;
    assert.equal(`${method} ${path}`, 'GET /computeMetadata/v1/instance/service-accounts/default/token');
    assert.equal(headers['metadata-flavor'], 'Google');
  });

  it('is another one when it is named', async () => {
    await using test = await google();
    await test.ask({ env: { GCE_METADATA_HOST: test.cloud.host, HOME: test.home }, serviceAccount: 'a@b' });
    assert.match(test.cloud.last.path, /\/service-accounts\/a%40b\/token$/);
  });

  it('is not believed of a server that does not say that it is Google’s', async () => {
    await using test = await google();
    test.cloud.answer = () => json({ access_token: 's3cret-in-tests-access', expires_in: 3599 });
    await assert.rejects(test.ask({ env: { GCE_METADATA_HOST: test.cloud.host, HOME: test.home } }), {
      code: 'UNAVAILABLE',
      message: /has no Metadata-Flavor/,
    });
  });
});

describe('a service account key', () => {
  it('signs a token request with its private key (RFC 7523)', async () => {
    await using test = await google();
    await test.writeKey(test.serviceAccount);
    assert.equal((await test.ask({ keyFile: test.keyFile })).credential.kind, 'basic');
    const { grant_type: grant, assertion = '' } = form(test.cloud.last);
    assert.equal(grant, 'urn:ietf:params:oauth:grant-type:jwt-bearer');
    const [header = '', claims = '', signature = ''] = assertion.split('.');
    const signed = Buffer.from(`${header}.${claims}`);
    assert.ok(verify('RSA-SHA256', signed, publicKey, Buffer.from(signature, 'base64url')));
    assert.deepEqual(JSON.parse(Buffer.from(header, 'base64url').toString()), {
      alg: 'RS256',
      typ: 'JWT',
      kid: 'key-1',
    });
    const now = Math.floor(test.clock.now() / 1000);
    assert.deepEqual(claimsOf(assertion), {
      iss: 'puller@example.iam.gserviceaccount.com',
      scope: 'https://www.googleapis.com/auth/cloud-platform',
      aud: `${test.cloud.origin}/token`,
      iat: now,
      exp: now + 3600,
    });
  });

  it('is found by GOOGLE_APPLICATION_CREDENTIALS before gcloud’s own file', async () => {
    await using test = await google();
    const folder = join(test.home, '.config/gcloud');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'application_default_credentials.json'), JSON.stringify(test.user));
    await test.ask();
    assert.equal(form(test.cloud.last)['grant_type'], 'refresh_token');
    await test.writeKey(test.serviceAccount);
    await test.ask({ env: { HOME: test.home, GOOGLE_APPLICATION_CREDENTIALS: test.keyFile } });
    assert.match(form(test.cloud.last)['grant_type'] ?? '', /jwt-bearer/);
  });

  const broken: [what: string, key: (good: object) => unknown, message: RegExp][] = [
    [
      'of an unknown kind',
      (good) => ({ ...good, type: 's3cret-in-tests-hunter2' }),
      /holds no service_account, authorized/,
    ],
    ['without an address', (good) => ({ ...good, client_email: '' }), /has no client_email/],
    [
      'without a key',
      (good) => ({ ...good, private_key: 's3cret-in-tests-hunter2' }),
      /private_key in .* is none/,
    ],
    [
      'with a strange token_uri',
      (good) => ({ ...good, token_uri: 's3cret-in-tests-hunter2' }),
      /token_uri in .* is no URL/,
    ],
    ['that is no mapping', () => 's3cret-in-tests-hunter2', /is not JSON/],
  ];
  for (const [what, key, message] of broken) {
    it(`${what} is an error that quotes nothing of it`, async () => {
      await using test = await google();
      await test.writeKey(key(test.serviceAccount));
      await assert.rejects(test.ask({ keyFile: test.keyFile }), (error: Error) => {
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /s3cret-in-tests-hunter2/);
        return true;
      });
    });
  }
});

describe('the file of a user', () => {
  it('is exchanged by its refresh token', async () => {
    await using test = await google();
    await test.writeKey(test.user);
    await test.ask({ keyFile: test.keyFile });
    assert.deepEqual(form(test.cloud.last), {
      grant_type: 'refresh_token',
      client_id: 'client',
      client_secret: 's3cret-in-tests-client',
      refresh_token: 's3cret-in-tests-refresh',
    });
  });
});

describe('an API of a cloud', () => {
  const answers: [status: number, body: unknown, code: string, passed: number, message: RegExp][] = [
    [
      400,
      { error: 'invalid_grant', error_description: 's3cret-in-tests-hunter2' },
      'DENIED',
      403,
      /answered 400, invalid_grant$/,
    ],
    [403, { error: 's3cret-in-tests-hunter2' }, 'DENIED', 403, /answered 403$/],
    [302, {}, 'DENIED', 403, /answered 302$/],
    [429, {}, 'UNAVAILABLE', 503, /answered 429/],
    [500, {}, 'UNAVAILABLE', 502, /answered 500/],
    [503, {}, 'UNAVAILABLE', 503, /answered 503/],
    [504, {}, 'UNAVAILABLE', 504, /answered 504/],
    [200, {}, 'UNAVAILABLE', 502, /answered without access_token/],
    [200, { access_token: 'a\nb' }, 'UNAVAILABLE', 502, /answered without access_token/],
    [200, { access_token: 'a'.repeat(70_000) }, 'UNAVAILABLE', 502, /too large/],
  ];
  for (const [status, body, code, passed, message] of answers) {
    it(`that answers ${status} with ${Object.keys(body as object).join() || 'nothing'} is ${passed} to our client`, async () => {
      await using test = await google();
      await test.writeKey(test.user);
      test.cloud.answer = () => json(body, status, { Location: `${test.cloud.origin}/elsewhere` });
      await assert.rejects(test.ask({ keyFile: test.keyFile }), { code, status: passed, message });
      assert.equal(test.cloud.requests.length, 1);
    });
  }

  it('that cannot be reached is 502', async () => {
    const test = await google();
    await test.writeKey(test.user);
    await test.cloud[Symbol.asyncDispose]();
    await assert.rejects(test.ask({ keyFile: test.keyFile }), {
      status: 502,
      message: /no answer from .*ECONNREFUSED/,
    });
  });
});

describe('a proxy', () => {
  it('is what Google is asked through, and named when it refuses', async () => {
    await using test = await google();
    await using proxy = await FakeProxy.start();
    proxy.refuses = 407;
    const proxies = new ProxyChoice({ proxy: proxy.url('me:hunter2'), noProxy: [], env: {} });
    await test.writeKey({ ...test.user, token_uri: 'https://oauth2.example/token' });
    await assert.rejects(test.ask({ keyFile: test.keyFile, connect: connections({ proxies }) }), {
      status: 502,
      forOperator: `the proxy 127.0.0.1:${proxy.port} gave no way to https://oauth2.example: it answered 407 (it wants user and password, or refuses those in its URL)`,
    });
    assert.deepEqual(proxy.calls, ['CONNECT oauth2.example:443']);
  });

  it('is not what a metadata server is asked through', async () => {
    await using test = await google();
    await using proxy = await FakeProxy.start();
    const proxies = new ProxyChoice({ proxy: proxy.url(), noProxy: [], env: {} });
    await test.ask({
      env: { HOME: test.home, GCE_METADATA_HOST: test.cloud.host },
      connect: connections({ proxies }),
    });
    assert.deepEqual(proxy.calls, []);
    assert.equal(test.cloud.requests.length, 1);
  });
});
