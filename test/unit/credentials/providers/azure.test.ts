import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type AzureSettings, azureSource } from '#src/credentials/providers/azure.ts';
import { ProxyChoice } from '#src/net/dial/proxy-choice.ts';
import { connections } from '#test/fakes/cloud-connections.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeCloud, form } from '#test/fakes/fake-clouds.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { json } from '#test/fakes/upstream-answers.ts';

function jwt(claims: unknown): string {
  return ['{}', JSON.stringify(claims), 'signature']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
}

async function azure(refreshToken = 's3cret-in-tests-refresh') {
  const cloud = await FakeCloud.start();
  cloud.answer = ({ path }) =>
    json(
      path === '/oauth2/exchange'
        ? { refresh_token: refreshToken }
        : { access_token: 's3cret-in-tests-entra' },
    );
  const clock = new FakeClock();
  return {
    cloud,
    clock,
    ask: async (env: NodeJS.ProcessEnv, settings: Partial<AzureSettings> = {}) =>
      await azureSource({
        origin: new URL(cloud.origin),
        env,
        clock,
        connect: connections(),
        log: new LogLines(),
        ...settings,
      }).fetch(AbortSignal.timeout(10_000)),
    get calls() {
      return cloud.requests.map(({ method, path, query }) => `${method} ${path}${decodeURIComponent(query)}`);
    },
    [Symbol.asyncDispose]: async () => await cloud[Symbol.asyncDispose](),
  };
}

describe('an identity of Azure', () => {
  it('of a machine is exchanged at the registry for a refresh token', async () => {
    await using test = await azure();
    const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: test.cloud.origin, AZURE_TENANT_ID: 'tenant' };
    const { credential, expiresAt } = await test.ask(env, { clientId: 'client' });
    assert.deepEqual(credential, { kind: 'refresh', token: 's3cret-in-tests-refresh' });
    assert.equal(expiresAt, test.clock.now() + 3 * 3_600_000);
    assert.deepEqual(test.calls, [
      'GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://containerregistry.azure.net/&client_id=client',
      'POST /oauth2/exchange',
    ]);
    assert.equal(test.cloud.requests[0]?.headers['metadata'], 'true');
    assert.deepEqual(form(test.cloud.last), {
      grant_type: 'access_token',
      service: test.cloud.host,
      tenant: 'tenant',
      access_token: 's3cret-in-tests-entra',
    });
  });

  it('lives as long as the token of the registry says', async () => {
    const exp = 1_700_010_000;
    await using test = await azure(jwt({ exp }));
    const { expiresAt } = await test.ask({ AZURE_POD_IDENTITY_AUTHORITY_HOST: test.cloud.origin });
    assert.equal(expiresAt, exp * 1000);
  });

  it('of an App Service is proved by its header', async () => {
    await using test = await azure();
    await test.ask(
      { IDENTITY_ENDPOINT: `${test.cloud.origin}/msi/token`, IDENTITY_HEADER: 'proof' },
      { resource: 'https://management.azure.com/' },
    );
    assert.equal(
      test.calls[0],
      'GET /msi/token?api-version=2019-08-01&resource=https://management.azure.com/',
    );
    assert.equal(test.cloud.requests[0]?.headers['x-identity-header'], 'proof');
  });

  it('of a workload is proved by its federated token', async () => {
    await using test = await azure();
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'token');
    await writeFile(file, 'federated\n');
    const env = {
      AZURE_FEDERATED_TOKEN_FILE: file,
      AZURE_CLIENT_ID: 'client',
      AZURE_TENANT_ID: 'tenant',
      AZURE_AUTHORITY_HOST: test.cloud.origin,
    };
    await test.ask(env);
    assert.deepEqual(test.calls, ['POST /tenant/oauth2/v2.0/token', 'POST /oauth2/exchange']);
    assert.deepEqual(form(test.cloud.requests[0] ?? test.cloud.last), {
      grant_type: 'client_credentials',
      client_id: 'client',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: 'federated',
      scope: 'https://containerregistry.azure.net/.default',
    });
    await assert.rejects(test.ask({ ...env, AZURE_CLIENT_ID: '' }), {
      code: 'DENIED',
      message: /needs clientId/,
    });
  });

  it('that is refused is told by the number that Microsoft gives the reason', async () => {
    await using test = await azure();
    const answer = { error: 'invalid_client', error_description: 'AADSTS700016: s3cret-in-tests-hunter2' };
    test.cloud.answer = () => json(answer, 401);
    await assert.rejects(test.ask({ AZURE_POD_IDENTITY_AUTHORITY_HOST: test.cloud.origin }), {
      code: 'DENIED',
      message: `the identity endpoint at ${test.cloud.host} answered 401, invalid_client, AADSTS700016`,
    });
  });
});

describe('a proxy', () => {
  it('is what the registry is asked through, and not the identity of the machine', async () => {
    await using test = await azure();
    await using proxy = await FakeProxy.start();
    proxy.refuses = 403;
    const proxies = new ProxyChoice({ proxy: proxy.url(), noProxy: [], env: {} });
    const env = { AZURE_POD_IDENTITY_AUTHORITY_HOST: test.cloud.origin };
    const origin = new URL('https://example.azurecr.io');
    await assert.rejects(test.ask(env, { origin, connect: connections({ proxies }) }), {
      status: 502,
      message: /its rules forbid it/,
    });
    assert.deepEqual(proxy.calls, ['CONNECT example.azurecr.io:443']);
    assert.equal(test.cloud.requests.length, 1);
  });
});
