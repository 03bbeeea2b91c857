import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { staticCredential } from '#src/credentials/credentials.ts';
import { challenge, ImitatedRegistry, isBearer, wants } from '#test/fakes/imitated-registry.ts';
import { secret } from '#test/fakes/secrets.ts';
import { content, json } from '#test/fakes/upstream-answers.ts';
import { failing, on, redirected, rejectsAuthorization, times } from '#test/fakes/upstream-faults.ts';

const manifest = 'registry GET /v2/team/app/manifests/v1';

describe('ECR private', () => {
  const name = '111122223333.dkr.ecr.eu-west-1.amazonaws.com';
  const wantsBasic = () => challenge(`Basic realm="https://${name}/",service="ecr.amazonaws.com"`);
  const awsToken = (password: string) => staticCredential(btoa(`AWS:${secret(password)}`));

  it('is sent the token with the first request, and S3 the blob’s URL alone', async () => {
    await using test = await ImitatedRegistry.start({ name, credential: awsToken('p') });
    test.behaves(
      wants((who) => who === 'AWS:p', wantsBasic),
      on(/blobs/, redirected(test.store.origin)),
    );
    test.store.faults.push(rejectsAuthorization);
    assert.equal(await test.pull(), 'ok');
    assert.equal(await test.pullBlob(), 'ok');
    const blob = `/v2/team/app/blobs/${test.image.layers[0]?.digest}`;
    assert.deepEqual(test.calls, [`${manifest} AWS:p`, `registry GET ${blob} AWS:p`, `store GET ${blob} -`]);
  });

  for (const status of [400, 403]) {
    it(`has its token fetched anew once it says by ${status} that it has expired`, async () => {
      let token = awsToken('old');
      const credentials = {
        name: 'ecr',
        get: async () => ({ credential: token }),
        renew: async () => {
          token = awsToken('new');
          return true;
        },
      };
      await using test = await ImitatedRegistry.start({ name, credentials });
      const message = 'Your authorization token has expired. Reauthenticate and try again.';
      test.behaves(
        wants(
          (who) => who === 'AWS:new',
          () => json({ errors: [{ code: 'DENIED', message }] }, status),
        ),
      );
      assert.equal(await test.pull(), 'ok');
      assert.equal(await test.pull(), 'ok');
      assert.deepEqual(test.calls, [`${manifest} AWS:old`, `${manifest} AWS:new`, `${manifest} AWS:new`]);
    });
  }

  it('is asked for a thousand tags at a time, which is all that it gives', async () => {
    await using test = await ImitatedRegistry.start({ name });
    await test.client.listTags(test.repository);
    assert.deepEqual(test.calls, ['registry GET /v2/team/app/tags/list?n=1000 -']);
  });
});

describe('ECR public', () => {
  const name = 'public.ecr.aws';
  const start = async (more: object = {}) => {
    const test = await ImitatedRegistry.start({ name, ...more });
    const asks = () =>
      challenge(`Bearer realm="${test.realm('/token/')}",service="public.ecr.aws",scope="aws"`);
    return { test, asks, [Symbol.asyncDispose]: async () => await test[Symbol.asyncDispose]() };
  };

  it('gives a token for its one scope, and is asked bare when it says 400 to one that has expired', async () => {
    await using opened = await start();
    const { test, asks } = opened;
    let good = 'Bearer t1';
    test.behaves(
      wants(
        (who) => who === good,
        (who) => (isBearer(who) ? content('', 'text/plain', {}, 400) : asks()),
      ),
    );
    assert.equal(await test.pull(), 'ok');
    good = 'Bearer t2';
    assert.equal(await test.pull(), 'ok');
    const token = 'tokens GET /token/?scope=aws&scope=repository:team/app:pull&service=public.ecr.aws -';
    assert.deepEqual(test.calls, [
      `${manifest} -`,
      token,
      `${manifest} Bearer t1`,
      `${manifest} Bearer t1`,
      `${manifest} -`,
      token,
      `${manifest} Bearer t2`,
    ]);
  });

  it('is asked for that scope alone where it takes no other, and is sent AWS and its password there', async () => {
    await using opened = await start({
      credential: { kind: 'basic', username: 'AWS', password: secret('p') },
      tokens: ({ query }: { query: string }) =>
        new URLSearchParams(query).getAll('scope').join() === 'aws'
          ? json({ token: secret('t'), expires_in: 300 })
          : json({}, 400),
    });
    const { test, asks } = opened;
    test.behaves(wants(isBearer, asks));
    assert.equal(await test.pull(), 'ok');
    assert.deepEqual(test.calls.slice(1), [
      'tokens GET /token/?scope=aws&scope=repository:team/app:pull&service=public.ecr.aws AWS:p',
      'tokens GET /token/?scope=aws&service=public.ecr.aws AWS:p',
      `${manifest} Bearer t`,
    ]);
  });

  it('that limits us is 429', async () => {
    await using opened = await start();
    const { test } = opened;
    test.behaves(failing(429, { 'Retry-After': '60' }, 'TOOMANYREQUESTS'));
    assert.equal(await test.pull(), '429 TOOMANYREQUESTS');
    assert.deepEqual(test.calls, [`${manifest} -`]);
  });
});

describe('GCR and Artifact Registry', () => {
  const name = 'europe-docker.pkg.dev';
  const service = 'service=europe-docker.pkg.dev';
  const token = `tokens GET /v2/token?scope=repository:team/app:pull&${service}`;
  /** No scope, and no quotes around the service. */
  const asks = (test: ImitatedRegistry) => () =>
    challenge(`Bearer realm="${test.realm('/v2/token')}",${service}`);

  for (const username of ['oauth2accesstoken', '_json_key']) {
    it(`that names no scope is asked for the request’s own, never for an empty one, by ${username}`, async () => {
      const credential = { kind: 'basic', username, password: secret('{"a":1}') } as const;
      await using test = await ImitatedRegistry.start({ name, credential });
      test.behaves(wants(isBearer, asks(test)));
      assert.equal(await test.pull(), 'ok');
      assert.deepEqual(test.calls, [
        `${manifest} -`,
        `${token} ${username}:{"a":1}`,
        `${manifest} Bearer t1`,
      ]);
    });
  }

  it('has no POST: a refresh token is no help, and GET is', async () => {
    await using test = await ImitatedRegistry.start({
      name,
      credential: { kind: 'refresh', token: secret('r') },
      tokens: ({ method }) => (method === 'POST' ? json({}, 404) : json({ token: secret('t') })),
    });
    test.behaves(wants(isBearer, asks(test)));
    assert.equal(await test.pull(), 'ok');
    assert.deepEqual(
      test.calls.map((call) => call.replace(/[ ?](?:grant|scope).*/, '')),
      [`${manifest} -`, 'tokens POST /v2/token', 'tokens GET /v2/token', `${manifest} Bearer t`],
    );
  });

  it('that says 401 without a challenge to a token is asked bare for one', async () => {
    await using test = await ImitatedRegistry.start({ name });
    let good = 'Bearer t1';
    test.behaves(
      wants(
        (who) => who === good,
        (who) => (isBearer(who) ? json({}, 401) : asks(test)()),
      ),
    );
    await test.pull();
    good = 'Bearer t2';
    assert.equal(await test.pull(), 'ok');
    assert.deepEqual(test.calls.slice(3), [
      `${manifest} Bearer t1`,
      `${manifest} -`,
      `${token} -`,
      `${manifest} Bearer t2`,
    ]);
  });

  it('that says so to a bare request is asked no more: 403, not 401 and not 404', async () => {
    await using test = await ImitatedRegistry.start({ name });
    test.behaves(() => json({}, 401));
    assert.equal(await test.pull(), '403 DENIED');
    assert.deepEqual(test.calls, [`${manifest} -`]);
  });

  it('may add what it likes to a tag list', async () => {
    await using test = await ImitatedRegistry.start({ name });
    test.behaves(() =>
      json({ name: 'x', tags: ['v1'], child: ['team/app/part'], manifest: { 'sha256:1': { tag: ['v1'] } } }),
    );
    assert.deepEqual((await test.client.listTags(test.repository)).tags, ['v1']);
  });
});

describe('ACR', () => {
  const name = 'example.azurecr.io';
  const service = 'example.azurecr.io';
  const scope = 'repository:team/app:pull';
  const start = async (credential: Parameters<typeof ImitatedRegistry.start>[0]) => {
    const tokens = () => json({ access_token: secret('a') });
    const test = await ImitatedRegistry.start({ name, tokens, ...credential });
    const realm = `Bearer realm="${test.realm('/oauth2/token')}",service="${service}",scope="${scope}"`;
    test.behaves(wants(isBearer, () => challenge(realm)));
    return test;
  };

  it('gives an access_token and nothing else, good for a minute, and its store no Authorization', async () => {
    const credential = {
      kind: 'basic',
      username: '00000000-0000-0000-0000-000000000000',
      password: secret('r'),
    } as const;
    await using test = await start({ credential });
    test.behaves(on(/blobs/, redirected(test.store.origin)));
    test.store.faults.push(rejectsAuthorization);
    assert.equal(await test.pull(), 'ok');
    assert.equal(await test.pullBlob(), 'ok');
    const blob = `/v2/team/app/blobs/${test.image.layers[0]?.digest}`;
    assert.deepEqual(test.calls, [
      `${manifest} -`,
      `tokens GET /oauth2/token?scope=${scope}&service=${service} ${credential.username}:r`,
      `${manifest} Bearer a`,
      `registry GET ${blob} Bearer a`,
      `store GET ${blob} -`,
    ]);
  });

  it('exchanges an identity token by POST', async () => {
    await using test = await start({ credential: { kind: 'refresh', token: secret('identity') } });
    assert.equal(await test.pull(), 'ok');
    const form = `grant_type=refresh_token&refresh_token=identity&client_id=ociregistry&service=${service}&scope=${scope}`;
    assert.deepEqual(test.calls.slice(1), [`tokens POST /oauth2/token ${form} -`, `${manifest} Bearer a`]);
  });

  it('is never sent a password by POST, which it refuses with 400', async () => {
    await using test = await start({
      credential: { kind: 'basic', username: 'u', password: secret('p') },
      tokens: ({ method }) => (method === 'POST' ? json({}, 400) : json({ access_token: secret('a') })),
    });
    test.tokens.faults.unshift(times(1, failing(401)));
    assert.equal(await test.pull(), '403 DENIED');
    assert.ok(test.tokens.requests.every(({ method }) => method === 'GET'));
  });
});
