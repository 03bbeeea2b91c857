import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { awsError } from '#src/credentials/providers/aws-error.ts';
import { type EcrSettings, ecrSource } from '#src/credentials/providers/ecr.ts';
import type { Connect } from '#src/credentials/providers/provider.ts';
import { ProxyChoice } from '#src/net/dial/proxy-choice.ts';
import { RegistryError } from '#src/oci/error.ts';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { connections } from '#test/fakes/cloud-connections.ts';
import { FakeCloud } from '#test/fakes/fake-clouds.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { someNames } from '#test/fakes/names.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { addressOf } from '#test/fakes/scripted-names.ts';
import { json } from '#test/fakes/upstream-answers.ts';

const plain = { host: 'registry.example.com', connect: connections(), log: new LogLines() };
const tokenData = { authorizationToken: 'QVdTOmh1bnRlcjI=', expiresAt: 2_000_000_000, proxyEndpoint: '' };

/** The AWS SDK, its configuration in a directory of its own, and an imitation of AWS. */
async function aws() {
  await using stack = new AsyncDisposableStack();
  const cloud = stack.use(await FakeCloud.start());
  const directory = stack.use(await temporaryDirectory());
  cloud.answer = () => json({ authorizationData: [tokenData] });
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, {
    AWS_MAX_ATTEMPTS: '1',
    AWS_CONFIG_FILE: join(directory.path, 'config'),
    AWS_SHARED_CREDENTIALS_FILE: join(directory.path, 'credentials'),
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ENDPOINT_URL_ECR: cloud.origin,
  });
  const opened = stack.move();
  return {
    cloud,
    configure: async (text: string) => await writeFile(join(directory.path, 'config'), text),
    ask: async (settings: Partial<EcrSettings> = {}) => {
      const source = ecrSource({ ...plain, ...settings });
      try {
        return await source.fetch(AbortSignal.timeout(10_000));
      } finally {
        await source[Symbol.asyncDispose]?.();
      }
    },
    /** `key/region` by which each request was signed. */
    get signers() {
      return cloud.requests.map(({ headers }) =>
        /Credential=(\w+)\/\d+\/([\w-]+)\/ecr\//
          .exec(headers.authorization ?? '')
          ?.slice(1)
          .join('/'),
      );
    },
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

const keys = (name: string) =>
  `aws_access_key_id = ${name}\naws_secret_access_key = s3cret-in-tests-hunter2\n`;
const profiles = `[default]\nregion = eu-west-3\n${keys('DEFAULT')}[profile Prod]\nregion = eu-north-1\n${keys('PROD')}`;

describe('a token of ECR', () => {
  it('is sent as it is, and lives as long as AWS says', async (context) => {
    const warn = context.mock.method(console, 'warn', () => {});
    await using test = await aws();
    await test.configure(profiles);
    assert.deepEqual(await test.ask({ region: 'eu-west-1' }), {
      credential: { kind: 'static', authorization: 'Basic QVdTOmh1bnRlcjI=' },
      expiresAt: 2_000_000_000_000,
    });
    assert.deepEqual(
      warn.mock.calls.map((call) => call.arguments),
      [],
    );
    const target = test.cloud.last.headers['x-amz-target'];
    assert.equal(target, 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken');
  });

  it('is made in the region of the host, else of the options, else of AWS’s configuration', async () => {
    await using test = await aws();
    await test.configure(profiles);
    const host = '111122223333.dkr.ecr.sa-east-1.amazonaws.com';
    await test.ask({ host, region: 'eu-west-1' });
    await test.ask({ region: 'eu-west-1' });
    await test.ask({ profile: 'Prod' });
    await test.ask();
    assert.deepEqual(test.signers, [
      'DEFAULT/sa-east-1',
      'DEFAULT/eu-west-1',
      'PROD/eu-north-1',
      'DEFAULT/eu-west-3',
    ]);
  });

  it('is not had with another identity when the profile is not known', async () => {
    await using test = await aws();
    await test.configure(profiles);
    await assert.rejects(test.ask({ profile: 'prod', region: 'eu-west-1' }), {
      code: 'DENIED',
      message:
        'no credentials from ecr: the AWS profile "prod" is not known, or gives no identity (CredentialsProviderError)',
    });
    assert.equal(test.cloud.requests.length, 0);
  });

  it('is had once the profile was written, without a new start', async () => {
    await using test = await aws();
    await test.configure('');
    const source = ecrSource({ ...plain, profile: 'Prod', region: 'eu-west-1' });
    await assert.rejects(source.fetch(AbortSignal.timeout(10_000)), { code: 'DENIED' });
    await test.configure(profiles);
    await source.fetch(AbortSignal.timeout(10_000));
    assert.deepEqual(test.signers, ['PROD/eu-west-1']);
    await source[Symbol.asyncDispose]?.();
  });

  it('is had with the new keys of a profile once the old were refused', async () => {
    await using test = await aws();
    await test.configure(`[default]\n${keys('OLD')}`);
    const source = ecrSource({ ...plain, region: 'eu-west-1' });
    await source.fetch(AbortSignal.timeout(10_000));
    const works = test.cloud.answer;
    test.cloud.answer = () => json({ __type: 'UnrecognizedClientException' }, 403);
    await assert.rejects(source.fetch(AbortSignal.timeout(10_000)), { code: 'DENIED' });
    test.cloud.answer = works;
    await test.configure(`[default]\n${keys('NEW')}`);
    await source.fetch(AbortSignal.timeout(10_000));
    assert.deepEqual(test.signers, ['OLD/eu-west-1', 'OLD/eu-west-1', 'NEW/eu-west-1']);
    await source[Symbol.asyncDispose]?.();
  });

  it('without a region, and without an identity, says what is missing', async () => {
    await using test = await aws();
    await test.configure(`[default]\n${keys('DEFAULT')}`);
    await assert.rejects(test.ask(), { code: 'DENIED', message: /no AWS region among the options/ });
    await test.configure('');
    await assert.rejects(test.ask({ region: 'eu-west-1' }), {
      code: 'DENIED',
      message: /no usable AWS identity/,
    });
  });

  it('of an answer without one is no token', async () => {
    await using test = await aws();
    await test.configure(profiles);
    test.cloud.answer = () => json({ authorizationData: [] });
    await assert.rejects(test.ask(), {
      code: 'UNAVAILABLE',
      status: 502,
      message: /answered without a token/,
    });
  });
});

function through(proxy: FakeProxy): Connect {
  const env = { https_proxy: proxy.url('me:hunter2') };
  return connections({ proxies: new ProxyChoice({ noProxy: [], env }) });
}

describe('AWS', () => {
  const endpoints: [host: string, endpoint: string][] = [
    ['1.dkr.ecr.eu-west-1.amazonaws.com', 'api.ecr.eu-west-1.amazonaws.com'],
    ['1.dkr.ecr-fips.us-east-1.amazonaws.com', 'api.ecr-fips.us-east-1.amazonaws.com'],
    ['1.dkr-ecr.eu-west-1.on.aws', 'ecr.eu-west-1.api.aws'],
    ['1.dkr.ecr.cn-north-1.amazonaws.com.cn', 'api.ecr.cn-north-1.amazonaws.com.cn'],
  ];
  for (const [host, endpoint] of endpoints) {
    it(`is asked at ${endpoint} for ${host}, through the proxy`, async () => {
      await using test = await aws();
      await test.configure(profiles);
      await using proxy = await FakeProxy.start();
      proxy.refuses = 502;
      delete process.env['AWS_ENDPOINT_URL_ECR'];
      await assert.rejects(test.ask({ host, connect: through(proxy) }), { status: 502 });
      assert.deepEqual(proxy.calls, [`CONNECT ${endpoint}:443`]);
    });
  }

  it('is asked through the proxy also for the identity of a pod', async () => {
    await using test = await aws();
    await using proxy = await FakeProxy.start();
    proxy.refuses = 502;
    await test.configure('web-identity');
    Object.assign(process.env, {
      AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/puller',
      AWS_WEB_IDENTITY_TOKEN_FILE: process.env['AWS_CONFIG_FILE'],
    });
    const host = '1.dkr.ecr.eu-west-1.amazonaws.com';
    await assert.rejects(test.ask({ host, connect: through(proxy) }), { status: 502 });
    assert.deepEqual(proxy.calls, ['CONNECT sts.eu-west-1.amazonaws.com:443']);
    assert.deepEqual(
      proxy.requests.map(({ authorization }) => authorization),
      [`Basic ${Buffer.from('me:hunter2').toString('base64')}`],
    );
  });
});

describe('where AWS is asked', () => {
  const elsewhere = { Location: 'http://169.254.169.254/latest/meta-data/' };

  it('may be a private address, as that of a VPC endpoint', async () => {
    await using test = await aws();
    await test.configure(profiles);
    process.env['AWS_ENDPOINT_URL_ECR'] = `http://vpce.example:${test.cloud.port}`;
    const names = someNames({ resolve: async () => [addressOf('127.0.0.1')] });
    await test.ask({ connect: connections({ names }) });
    assert.equal(test.cloud.last.headers.host, `vpce.example:${test.cloud.port}`);
  });

  it('is never a metadata service, by itself or by a redirect', async () => {
    await using test = await aws();
    await test.configure(profiles);
    test.cloud.answer = () => json({}, 307, elsewhere);
    await assert.rejects(test.ask(), { code: 'DENIED' });
    assert.equal(test.cloud.requests.length, 1);
    const names = someNames({ resolve: async () => [addressOf('169.254.169.254')] });
    for (const endpoint of ['http://169.254.169.254', 'http://vpce.example']) {
      process.env['AWS_ENDPOINT_URL_ECR'] = endpoint;
      await assert.rejects(test.ask({ connect: connections({ names }) }), {
        code: 'DENIED',
        message: `no credentials from ecr: the address of ${endpoint} is not public`,
      });
    }
  });

  it('is proved by an authority of the configuration, as registries are', async () => {
    await using authority = await TestAuthority.create();
    const { certFile, keyFile } = await authority.issue('aws', 'IP:127.0.0.1');
    await using cloud = await FakeCloud.start({
      cert: await readFile(certFile),
      key: await readFile(keyFile),
    });
    cloud.answer = () => json({ authorizationData: [tokenData] });
    await using test = await aws();
    await test.configure(profiles);
    process.env['AWS_ENDPOINT_URL_ECR'] = cloud.origin;
    await test.ask({ connect: connections({ ca: authority.caFile }) });
    await assert.rejects(test.ask(), {
      status: 502,
      message: /certificate authority is not known; .* upstream\.ca/,
    });
    assert.equal(cloud.requests.length, 1);
  });

  it('answers in a few kilobytes, or nothing is believed', async () => {
    await using test = await aws();
    await test.configure(profiles);
    test.cloud.answer = () => json({ authorizationData: [{ ...tokenData, filling: 'x'.repeat(70_000) }] });
    await assert.rejects(test.ask(), { code: 'UNAVAILABLE', status: 502, message: /too large/ });
  });
});

describe('an error of AWS', () => {
  const answers: [status: number, type: string, passed: number, message: RegExp][] = [
    [400, 'AccessDeniedException', 403, /the identity may not do this: .* \(AccessDeniedException, 400\)$/],
    [403, 'UnrecognizedClientException', 403, /the AWS access key is not known/],
    [403, 'InvalidSignatureException', 403, /or the clock is wrong/],
    [400, 'ThrottlingException', 503, /ThrottlingException/],
    [500, 'ServerException', 502, /ServerException, 500/],
    [503, 'ServiceUnavailable', 503, /ServiceUnavailable, 503/],
  ];
  for (const [status, type, passed, message] of answers) {
    it(`${type} is ${passed} to our client, in words that hold nothing secret`, async () => {
      await using test = await aws();
      await test.configure(profiles);
      test.cloud.answer = () =>
        json({ __type: type, message: 'x-amz-security-token:s3cret-in-tests-hunter2' }, status);
      await assert.rejects(test.ask(), (error: unknown) => {
        assert.ok(error instanceof RegistryError);
        assert.equal(error.status, passed);
        assert.match(error.message, message);
        assert.doesNotMatch(inspect(error, { depth: 10 }), /s3cret-in-tests-hunter2/);
        return true;
      });
    });
  }

  it('is 502 when nothing answers', async () => {
    const test = await aws();
    await test.configure(profiles);
    await test.cloud[Symbol.asyncDispose]();
    await assert.rejects(test.ask(), {
      code: 'UNAVAILABLE',
      status: 502,
      message: /^no answer from http:\/\/127\.0\.0\.1:\d+ \(connection refused, ECONNREFUSED\)$/,
    });
  });

  it('is 504 when it took too long, and 502 when it is no error at all', () => {
    const late = Object.assign(new Error('s3cret-in-tests-hunter2'), { name: 'TimeoutError' });
    assert.equal(awsError('ecr', late).status, 504);
    assert.equal(awsError('ecr', 's3cret-in-tests-hunter2').message, 'no credentials from ecr');
  });
});
