import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { loadConfig } from '#src/config/load.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { exampleApp, exampleSecrets, examples } from '#test/fakes/example-app.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { basicHeader, bcrypt } from '#test/fakes/passwords.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';
import { alice, authorizeUrl, newPkce, opened, sent, webRequest } from '#test/fakes/sign-in-app.ts';
import { asked, password, posted } from '#test/fakes/token-app.ts';

const { CLIENT_SECRET: clientSecret } = exampleSecrets;
const client = { grant_type: 'client_credentials', client_id: '000000', client_secret: clientSecret };

type Headers = Readonly<Record<string, string>>;

/** Pushes an image of nothing: the status of its manifest, or of the blob that was not taken. */
async function pushed(url: string, repository: string, headers: Headers): Promise<number> {
  const blob = new TextEncoder().encode('{}');
  const digest = sha256(blob);
  const upload = `${url}/v2/${repository}/blobs/uploads/?digest=${digest}`;
  const { status } = await fetch(upload, { method: 'POST', headers, body: blob });
  if (status !== 201) return status;
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: blob.length };
  const body = JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers: [] });
  const type = { 'content-type': ociManifest };
  const manifest = `${url}/v2/${repository}/manifests/7.0.0`;
  return (await fetch(manifest, { method: 'PUT', headers: { ...headers, ...type }, body })).status;
}

async function statusOf(url: string, headers: Headers = {}): Promise<number> {
  return (await asked(url, { headers })).status;
}

const bearer = (token: unknown): Headers => ({ authorization: `Bearer ${String(token)}` });

describe('config/examples', () => {
  it('has what is tried here', async () => {
    assert.deepEqual((await readdir(examples)).toSorted(), [
      'basic-and-oauth-registries.yaml',
      'oauth-server.yaml',
      'registry-behind-a-token-service.yaml',
      'token-service.yaml',
    ]);
  });

  it('basic-and-oauth-registries.yaml: users at one door, programs at the other, their tokens and index files', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await mkdir(join(path, 'indexes'));
    await writeFile(join(path, 'indexes', 'index.yaml'), '- name: triage\n');
    await writeFile(join(path, 'htpasswd'), `user:${bcrypt(password)}\n`);
    const file = join(examples, 'basic-and-oauth-registries.yaml');
    assert.deepEqual((await loadConfig({ file, flags: {}, env: exampleSecrets })).warnings, []);
    // Without Redis and TLS, which real clients try.
    const change = (text: string): string =>
      text.slice(0, text.indexOf('# Several servers')).replace(/serverTlsConfig:\n( {2}.*\n)+/, '');
    await using app = await exampleApp('basic-and-oauth-registries.yaml', path, {
      change,
      clock: new FakeClock(),
    });
    const [oauth = '', tokens = '', files = ''] = app.listeners.map(({ url }) => url);
    const user = { authorization: basicHeader('user', password) };
    assert.equal(await pushed(app.server.url, 'test', {}), 401);
    assert.equal(await pushed(app.server.url, 'test', user), 201);
    assert.equal(await statusOf(`${oauth}/v2/`, user), 401);
    const { status, body } = await posted(`${tokens}/token`, client);
    assert.deepEqual([status, body['refresh_token']], [200, undefined]);
    const program = bearer(body['access_token']);
    // Two of fifteen requests.
    assert.equal(await pushed(oauth, 'apps/web', program), 201);
    const answers: number[] = [];
    while (answers.length < 14) answers.push(await statusOf(`${oauth}/v2/test/manifests/7.0.0`, program));
    assert.deepEqual(answers, [...Array.from({ length: 13 }, () => 200), 429]);
    assert.equal(await statusOf(`${app.server.url}/v2/test/manifests/7.0.0`, user), 200);
    assert.equal(await statusOf(`${app.server.url}/v2/test/manifests/7.0.0`, program), 401);
    assert.equal((await posted(`${app.server.url}/token`, client)).status, 404);
    assert.equal(await (await fetch(`${files}/index.yaml`)).text(), '- name: triage\n');
    assert.equal(await statusOf(`${tokens}/v2/`, program), 404);
  });

  it('oauth-server.yaml: tokens for programs by every grant, which anybody can check and the registry takes', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, 'htpasswd'), `alice:${bcrypt(password)}\n`);
    await using app = await exampleApp('oauth-server.yaml', directory.path);
    const [tokens = ''] = app.listeners.map(({ url }) => url);
    const shown = { authorization: basicHeader('000000', clientSecret) };
    const { grant_type: grant } = client;
    for (const answer of [
      await posted(`${tokens}/token`, { grant_type: grant, scope: 'my-scope' }, shown),
      await posted(`${tokens}/token`, { ...client, scope: 'my-scope' }),
    ]) {
      const { access_token: token, ...rest } = answer.body;
      assert.deepEqual(rest, { token_type: 'Bearer', expires_in: 7200, scope: 'my-scope' });
      const keys = createRemoteJWKSet(new URL(`${tokens}/v2/token/jwks.json`));
      const { payload } = await jwtVerify(String(token), keys, { issuer: 'http://localhost:9096' });
      assert.equal(payload.sub, '000000');
      assert.equal(await statusOf(`${app.server.url}/v2/`, bearer(token)), 200);
    }
    assert.equal(await statusOf(`${app.server.url}/v2/`), 401);
    const wrong = await posted(`${tokens}/token`, { ...client, client_secret: secret('wrong') });
    assert.deepEqual([wrong.status, wrong.body['error']], [401, 'invalid_client']);
    /** With each of these the registry is open to alice. */
    const comesIn = async (fields: Readonly<Record<string, string>>): Promise<void> => {
      const { status, body } = await posted(`${tokens}/token`, fields);
      assert.deepEqual([status, body['scope']], [200, 'my-scope'], JSON.stringify(body));
      assert.equal(decodeJwt(String(body['access_token'])).sub, 'alice');
      assert.equal(await statusOf(`${app.server.url}/v2/`, bearer(body['access_token'])), 200);
      const again = { ...fields, grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) };
      assert.equal((await posted(`${tokens}/token`, again)).status, 200);
    };
    const origin = { origin: 'http://localhost:9096' };
    const { client_secret: _, ...cli } = { ...client, client_id: 'cli' };
    await comesIn({ ...client, grant_type: 'password', username: 'alice', password });
    for (const [shown, redirect] of [
      [client, 'http://localhost:9094/oauth2'],
      [cli, 'http://127.0.0.1:49152/callback'],
    ] as const) {
      const { verifier, challenge } = newPkce();
      const asks = {
        ...webRequest(challenge),
        client_id: shown.client_id,
        redirect_uri: redirect,
        scope: '',
      };
      const { location } = await sent(authorizeUrl(tokens, asks), alice, origin);
      const code = String(location?.searchParams.get('code'));
      const fields = { code, redirect_uri: redirect, code_verifier: verifier };
      await comesIn({ ...shown, grant_type: 'authorization_code', ...fields });
    }
    const device = (await posted(`${tokens}/device_authorization`, { client_id: 'cli' })).body;
    await sent(`${tokens}/device`, { ...alice, user_code: String(device['user_code']) }, origin);
    const grantType = 'urn:ietf:params:oauth:grant-type:device_code';
    await comesIn({ ...cli, grant_type: grantType, device_code: String(device['device_code']) });
    const asksImplicit = {
      response_type: 'token',
      client_id: 'cli',
      redirect_uri: 'http://127.0.0.1/callback',
    };
    const implicit = await opened(authorizeUrl(tokens, asksImplicit));
    assert.match(String(implicit.location?.searchParams.get('error_description')), /RFC 9700/);
  });

  it('token-service.yaml and registry-behind-a-token-service.yaml: who is not known is sent there, and comes back with what he may', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(join(path, 'token.key'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
    await writeFile(join(path, 'token.crt'), publicKey.export({ format: 'pem', type: 'spki' }));
    const users = ['mssola', 'another'].map((name) => `${name}:${bcrypt(password)}\n`);
    await writeFile(join(path, 'htpasswd'), users.join(''));
    await using service = await exampleApp('token-service.yaml', path);
    const [portus = ''] = service.listeners.map(({ url }) => url);
    await using app = await exampleApp('registry-behind-a-token-service.yaml', path, {
      change: (text) => text.replace('http://portus.test.lan', portus),
    });
    const { url } = app.server;
    const unknown = await asked(`${url}/v2/busybox/tags/list`);
    assert.equal(unknown.status, 401);
    assert.equal(
      unknown.headers.get('www-authenticate'),
      `Bearer realm="${portus}/v2/token",service="registry.test.lan",scope="repository:busybox:pull"`,
    );
    assert.equal(await pushed(url, 'busybox', {}), 401);
    const token = async (user: string | undefined, scope?: string): Promise<unknown> => {
      const headers = user === undefined ? {} : { authorization: basicHeader(user, password) };
      const query = `service=registry.test.lan${scope === undefined ? '' : `&scope=${scope}`}`;
      const { status, body } = await asked(`${portus}/v2/token?${query}`, { headers });
      return status === 200 ? body['token'] : status;
    };
    const scope = 'repository:busybox:pull,push';
    assert.equal(await token(undefined, scope), 401);
    const login = await token('mssola');
    assert.partialDeepStrictEqual(decodeJwt(String(login)), {
      ...{ iss: 'portus.test.lan', sub: 'mssola', aud: 'registry.test.lan' },
    });
    assert.equal(await statusOf(`${url}/v2/`, bearer(login)), 200);
    assert.equal(await pushed(url, 'busybox', bearer(login)), 401);
    assert.equal(await pushed(url, 'busybox', bearer(await token('another', scope))), 401);
    const pushing = bearer(await token('mssola', scope));
    assert.equal(await pushed(url, 'busybox', pushing), 201);
    assert.equal(await statusOf(`${url}/v2/busybox/manifests/7.0.0`, pushing), 200);
    assert.equal(await pushed(url, 'other', pushing), 401);
  });
});
