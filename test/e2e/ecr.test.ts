import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { secret } from '#test/fakes/secrets.ts';
import { json } from '#test/fakes/upstream-answers.ts';
import { basicAuth } from '#test/fakes/upstream-faults.ts';
import { needs } from '../setup/needs.ts';
import { readImage } from './support/content.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { Moto } from './support/moto.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { assertWithout } from './support/secrets.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

/** What moto gives whom no role makes another. */
const account = '123456789012';
const secretKey = secret('wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY');

const awsFiles = `
[default]
region = us-west-2
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = ${secretKey}
[profile Prod]
region = eu-north-1
aws_access_key_id = AKIAPROD
aws_secret_access_key = ${secretKey}
[profile other-account]
role_arn = arn:aws:iam::222222222222:role/puller
source_profile = Prod
region = ap-south-1
`;

interface EcrRegistry {
  readonly upstream: FakeUpstream;
  readonly options?: unknown;
  readonly expiry?: string;
}

/** The program in front of registries that have their tokens from moto. */
async function serve(moto: Moto, registries: readonly EcrRegistry[]) {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const file = join(path, 'aws-config');
  await writeFile(file, awsFiles);
  const env = { ...moto.environment, AWS_CONFIG_FILE: file, AWS_SHARED_CREDENTIALS_FILE: join(path, 'none') };
  const settings = {
    logLevel: 'debug',
    cache: { freshness: 'always' },
    registries: registries.map(({ upstream, options = {}, expiry = '6h' }) => ({
      name: upstream.host,
      scheme: 'http',
      auth: { token: { provider: 'ecr', providerOpts: options, expiry } },
    })),
  };
  const server = stack.use(await Ociregistry.start({ env, settings }));
  const answers: string[] = [];
  const opened = stack.move();
  return {
    server,
    /** Asks for a manifest; what came back is kept to be looked through for secrets. */
    async pull({ host }: FakeUpstream, tag = 'v1') {
      const response = await fetch(`${server.url}/v2/${host}/app/manifests/${tag}`);
      const text = await response.text();
      answers.push(text, ...[...response.headers].map(([name, value]) => `${name}: ${value}`));
      return { status: response.status, text, cacheStatus: response.headers.get('cache-status') };
    },
    /** No secret is in anything that the program said. */
    checkSecrets() {
      const tokens = [account, '222222222222', '111111111111'].flatMap(secretsOf);
      assertWithout([secretKey, ...tokens], [server.output, ...answers].join('\n'));
    },
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

async function startUpstream(): Promise<FakeUpstream> {
  const upstream = await FakeUpstream.start();
  putImage(upstream.content, upstream.repository('app'), 'v1', [bytes(1000)]);
  return upstream;
}

/** An upstream that takes the token of one account and no other. */
async function upstreamOf(id: string): Promise<FakeUpstream> {
  const upstream = await startUpstream();
  upstream.faults.push(basicAuth('AWS', `${id}-auth-token`));
  return upstream;
}

describe('a registry at Amazon ECR', needs('moto_server'), () => {
  let moto: Moto;
  before(async () => {
    moto = await Moto.start();
  });
  beforeEach(() => moto.reset());
  after(async () => await moto[Symbol.asyncDispose]());

  it('is pulled from with a token that the AWS SDK got, sent with the first request already', async () => {
    await using upstream = await upstreamOf(account);
    await using test = await serve(moto, [{ upstream, options: 'profile=Prod,region=eu-west-1' }]);
    assert.equal(moto.calls.length, 0, 'the start must not wait for AWS');
    assert.equal((await test.pull(upstream)).status, 200);
    assert.deepEqual(moto.calls, [
      { action: 'GetAuthorizationToken', accessKey: 'AKIAPROD', region: 'eu-west-1' },
    ]);
    assert.ok(upstream.requests.every(({ headers }) => headers.authorization !== undefined));
    await until('moto’s expiry in 2015 is noticed', async () =>
      test.server.output.includes('is a clock wrong?'),
    );
    test.checkSecrets();
  });

  it('lives beside others of other profiles, regions and roles', async () => {
    await using own = await upstreamOf(account);
    await using byProfile = await upstreamOf('222222222222');
    await using byRole = await upstreamOf('111111111111');
    const roleArn = 'arn:aws:iam::111111111111:role/puller';
    await using test = await serve(moto, [
      { upstream: own },
      { upstream: byProfile, options: { profile: 'other-account' } },
      { upstream: byRole, options: { profile: 'Prod', region: 'ca-central-1', roleArn } },
    ]);
    for (const _ of [1, 2]) {
      for (const upstream of [own, byProfile, byRole]) assert.equal((await test.pull(upstream)).status, 200);
    }
    const tokens = moto.calls.filter(({ action }) => action === 'GetAuthorizationToken');
    assert.deepEqual(tokens.map(({ region }) => region).sort(), ['ap-south-1', 'ca-central-1', 'us-west-2']);
    assert.deepEqual(
      moto.calls.filter(({ action }) => action === 'AssumeRole').map(({ accessKey }) => accessKey),
      ['AKIAPROD', 'AKIAPROD'],
    );
    test.checkSecrets();
  });

  it('has its token renewed in the background, and no pull fails meanwhile', async () => {
    moto.rotates = true;
    await using upstream = await startUpstream();
    // As AWS: the token before the last is still good.
    upstream.faults.push(async (request, next) => {
      const good = [moto.tokens, moto.tokens - 1].map((n) => base64(`AWS:${account}-auth-token-${n}`));
      const isGood = good.some((token) => request.headers.authorization === `Basic ${token}`);
      return isGood ? await next() : json({ errors: [{ code: 'DENIED', message: 'old token' }] }, 403);
    });
    await using test = await serve(moto, [{ upstream, expiry: '1s' }]);
    let pulls = 0;
    await until('the token was renewed three times', async () => {
      const { status, cacheStatus, text } = await test.pull(upstream);
      assert.equal(status, 200, text);
      assert.doesNotMatch(cacheStatus ?? '', /detail="stale/);
      pulls += 1;
      return moto.tokens >= 4;
    });
    assert.ok(pulls > 4);
    const used = new Set(upstream.requests.map(({ headers }) => headers.authorization));
    assert.ok(used.size >= 3, `${used.size} tokens were used`);
    assert.ok(moto.tokens < 8, 'not without a pause');
    test.checkSecrets();
  });

  it('serves what is cached while AWS is out of order, and says in its log why it cannot serve the rest', async () => {
    await using upstream = await upstreamOf(account);
    await using test = await serve(moto, [{ upstream }]);
    assert.equal((await test.pull(upstream)).status, 200);
    await test.server.stop('SIGTERM');
    moto.outOfOrder = 500;
    await test.server.startAgain();
    const stale = await test.pull(upstream);
    assert.equal(stale.status, 200);
    assert.match(stale.cacheStatus ?? '', /detail="stale/);
    const missing = await test.pull(upstream, 'v2');
    assert.equal(missing.status, 502, missing.text);
    assert.match(missing.text, /the configured credential cannot be had: .*doctor/);
    await until('the log says why', async () => test.server.output.includes('no credentials from ecr'));
    test.checkSecrets();
  });

  it('with a profile that is not known is 403, and the log says it', async () => {
    await using upstream = await upstreamOf(account);
    await using test = await serve(moto, [{ upstream, options: 'profile=prod,region=eu-west-1' }]);
    const { status, text } = await test.pull(upstream);
    assert.equal(status, 403);
    assert.match(text, /DENIED.*the configured credential cannot be had: .*doctor/);
    await until('the log names it', async () =>
      /the AWS profile .{1,4}prod.{1,4} is not known/.test(test.server.output),
    );
    assert.equal(upstream.requests.length, 0);
    test.checkSecrets();
  });

  describe('Debian’s docker-registry with the password of ECR', needs('docker-registry', 'crane'), () => {
    it('is pulled from with a token of the AWS SDK', async () => {
      await using directory = await temporaryDirectory();
      // The password is "123456789012-auth-token".
      const htpasswd = 'AWS:$2y$04$FA7n2FEPEV6EkOleL48j2u2K.Toj0e4gSx1DH5vG3MEBsdmg9oZ2q\n';
      await using upstream = await DockerRegistry.startWithPasswords(directory.path, htpasswd);
      const registry = { name: upstream.host, scheme: 'http', auth: { token: { provider: 'ecr' } } };
      await using server = await Ociregistry.start({
        env: {
          ...moto.environment,
          AWS_ACCESS_KEY_ID: 'AKIA',
          AWS_SECRET_ACCESS_KEY: secretKey,
          AWS_REGION: 'eu-west-1',
        },
        settings: { registries: [registry] },
      });
      const { blobs } = await readImage(`${server.url}/v2/${upstream.host}/app`, 'v1');
      assert.equal(blobs.size, 2);
      assertWithout([secretKey, ...secretsOf(account)], server.output);
    });
  });
});

/** The password, and with its user what is behind `Basic `. */
function secretsOf(id: string): string[] {
  return [`${id}-auth-token`, `AWS:${id}-auth-token`];
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
