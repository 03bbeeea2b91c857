import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { challenge, ImitatedRegistry, isBearer, wants } from '#test/fakes/imitated-registry.ts';
import { secret } from '#test/fakes/secrets.ts';
import { json } from '#test/fakes/upstream-answers.ts';
import { failing, on, redirected } from '#test/fakes/upstream-faults.ts';

const manifest = 'registry GET /v2/team/app/manifests/v1';
const pull = 'repository:team/app:pull';
const user = (username: string) => ({ kind: 'basic', username, password: secret('p') }) as const;

describe('GitLab', () => {
  const asks = (test: ImitatedRegistry) => () =>
    challenge(`Bearer realm="${test.realm('/jwt/auth')}",service="container_registry",scope="${pull}"`);
  const token = `tokens GET /jwt/auth?scope=${pull}&service=container_registry`;

  it('is asked for exactly one scope, and its token without a life is kept for a minute', async () => {
    await using test = await ImitatedRegistry.start({
      credential: user('deploy'),
      tokens: () => json({ token: secret('t') }),
    });
    test.behaves(wants(isBearer, asks(test)));
    for (const _ of [1, 2]) assert.equal(await test.pull(), 'ok');
    assert.deepEqual(test.calls, [
      `${manifest} -`,
      `${token} deploy:p`,
      `${manifest} Bearer t`,
      `${manifest} Bearer t`,
    ]);
  });

  it('is sent a wrong password once a minute, since it locks addresses out', async () => {
    await using test = await ImitatedRegistry.start({
      credential: user('deploy'),
      tokens: () => json({}, 401),
    });
    test.behaves(wants(isBearer, asks(test)));
    for (const _ of [1, 2, 3]) assert.equal(await test.pull(), '403 DENIED');
    assert.deepEqual(test.calls, [`${manifest} -`, `${token} deploy:p`, `${manifest} -`, `${manifest} -`]);
  });

  it('that redirects a HEAD to a URL signed for GET is asked by GET, from the beginning', async () => {
    await using test = await ImitatedRegistry.start();
    await using store = await ImitatedRegistry.start();
    test.behaves(redirected(store.registry.origin));
    store.behaves(on('HEAD', failing(403)));
    assert.equal(await test.resolve(), 'ok');
    const head = manifest.replace('GET', 'HEAD');
    assert.deepEqual(test.calls, [`${head} -`, `${manifest} -`]);
    assert.deepEqual(store.calls, [`${head} -`, `${manifest} -`]);
  });
});

describe('Harbor', () => {
  const bearer = (test: ImitatedRegistry) =>
    challenge(`Bearer realm="${test.realm('/service/token')}",service="harbor-registry",scope="${pull}"`);
  const token = `tokens GET /service/token?scope=${pull}&service=harbor-registry`;

  it('wants a token for public projects, too, and by robots with a dollar in their names', async () => {
    for (const credential of [undefined, user('robot$team+puller')]) {
      await using test = await ImitatedRegistry.start(credential === undefined ? {} : { credential });
      test.behaves(wants(isBearer, () => bearer(test)));
      assert.equal(await test.pull(), 'ok');
      const who = credential === undefined ? '-' : 'robot$team+puller:p';
      assert.deepEqual(test.calls, [`${manifest} -`, `${token} ${who}`, `${manifest} Bearer t1`]);
    }
  });

  it('that asks for Basic after it refused a token is asked bare by nobody, and gets Basic of a user', async () => {
    for (const credential of [undefined, user('me')]) {
      await using test = await ImitatedRegistry.start(credential === undefined ? {} : { credential });
      let good = 'Bearer t1';
      test.behaves(
        wants(
          (who) => who === good || who === 'me:p',
          (who) => (who === '-' ? bearer(test) : challenge('Basic realm="harbor"')),
        ),
      );
      await test.pull();
      good = 'Bearer t2';
      assert.equal(await test.pull(), 'ok');
      assert.deepEqual(
        test.calls.slice(3),
        credential === undefined
          ? [`${manifest} Bearer t1`, `${manifest} -`, `${token} -`, `${manifest} Bearer t2`]
          : [`${manifest} Bearer t1`, `${manifest} me:p`],
      );
    }
  });

  it('that has a policy against an image denies it: not that it is missing', async () => {
    await using test = await ImitatedRegistry.start();
    test.behaves(failing(412, {}, 'PROJECTPOLICYVIOLATION'));
    assert.equal(await test.pull(), '403 DENIED');
    assert.deepEqual(test.calls, [`${manifest} -`]);
  });
});

describe('Nexus', () => {
  it('writes BASIC, and is sent user and password at once from then on', async () => {
    await using test = await ImitatedRegistry.start({ credential: user('me') });
    test.behaves(
      wants(
        (who) => who === 'me:p',
        () => challenge('BASIC realm="Sonatype Nexus Repository Manager"'),
      ),
    );
    for (const _ of [1, 2]) assert.equal(await test.pull(), 'ok');
    assert.deepEqual(test.calls, [`${manifest} -`, `${manifest} me:p`, `${manifest} me:p`]);
  });

  it('gives tokens below the path of a repository of its own', async () => {
    await using test = await ImitatedRegistry.start({ credential: user('me') });
    test.behaves(
      wants(isBearer, () =>
        challenge(`Bearer realm="${test.realm('/repository/docker/v2/token')}",service="x",scope="${pull}"`),
      ),
    );
    assert.equal(await test.pull(), 'ok');
    assert.equal(test.calls[1], `tokens GET /repository/docker/v2/token?scope=${pull}&service=x me:p`);
  });

  it('may have no names, and empty ones, in a tag list', async () => {
    await using test = await ImitatedRegistry.start();
    test.behaves(() => json({ name: 'team/app', tags: [null, '', 'v1', null] }));
    assert.deepEqual((await test.client.listTags(test.repository)).tags, ['v1']);
    test.registry.faults.splice(1, 1, () => json({ name: 'team/app', tags: null }));
    assert.deepEqual((await test.client.listTags(test.repository)).tags, []);
  });
});

describe('JFrog', () => {
  const repository = 'docker-remote/team/app';
  const own = 'registry GET /v2/docker-remote/team/app/manifests/v1';
  const path = '/artifactory/api/docker/docker-remote/v2/token';
  const bearer = (test: ImitatedRegistry, scope = '') =>
    challenge(`Bearer realm="${test.realm(path)}",service="jfrog"${scope && `,scope="${scope}"`}`);

  it('names the repository without its key: that scope does where it is the only one', async () => {
    await using test = await ImitatedRegistry.start({
      repository,
      credential: user('me'),
      tokens: ({ query }) =>
        new URLSearchParams(query).getAll('scope').join() === pull
          ? json({ token: secret('t'), expires_in: 300 })
          : json({}, 400),
    });
    test.behaves(wants(isBearer, () => bearer(test, pull)));
    for (const _ of [1, 2]) assert.equal(await test.pull(), 'ok');
    assert.deepEqual(test.calls, [
      `${own} -`,
      `tokens GET ${path}?scope=repository:docker-remote/team/app:pull&scope=${pull}&service=jfrog me:p`,
      `tokens GET ${path}?scope=${pull}&service=jfrog me:p`,
      `${own} Bearer t`,
      `${own} Bearer t`,
    ]);
    assert.ok(test.tokens.requests.every(({ method }) => method === 'GET'));
  });

  it('names no scope to a HEAD: the request’s own is asked for', async () => {
    await using test = await ImitatedRegistry.start({ repository });
    test.behaves(wants(isBearer, () => bearer(test)));
    assert.equal(await test.resolve(), 'ok');
    assert.equal(
      test.calls[1],
      `tokens GET ${path}?scope=repository:docker-remote/team/app:pull&service=jfrog -`,
    );
  });

  it('redirects on its own host, and asks for a token only there', async () => {
    await using test = await ImitatedRegistry.start({ repository, credential: user('me') });
    const inner = '/artifactory/api/docker/docker-remote/v2/team/app/manifests/v1';
    test.behaves(
      on(
        /^GET \/v2\//,
        redirected(() => `${test.registry.origin}${inner}`),
      ),
      wants(isBearer, () => bearer(test, pull)),
      async (request, next) => {
        Object.assign(request, { path: '/v2/docker-remote/team/app/manifests/v1' });
        return await next();
      },
    );
    for (const _ of [1, 2]) assert.equal(await test.pull(), 'ok');
    assert.deepEqual(
      test.calls.filter((call) => call.startsWith('registry')),
      [
        `${own} -`,
        `registry GET ${inner} -`,
        `registry GET ${inner} Bearer t1`,
        `${own} Bearer t1`,
        `registry GET ${inner} Bearer t1`,
      ],
    );
    assert.deepEqual(
      test.tokens.requests.map(({ method }) => method),
      ['GET'],
    );
  });

  it('has digests among its tags, which are none', async () => {
    await using test = await ImitatedRegistry.start({ repository });
    test.behaves(() => json({ name: 'x', tags: ['v1', `sha256:${'a'.repeat(64)}`] }));
    assert.deepEqual((await test.client.listTags(test.repository)).tags, ['v1']);
  });
});

describe('Forgejo, Gitea and Codeberg', () => {
  const both = (test: ImitatedRegistry) =>
    challenge(
      `Bearer realm="${test.realm('/v2/token')}",service="container_registry",scope="*", Basic realm="Gitea"`,
    );

  it('have a scope for everything, and give nobody a token by it', async () => {
    await using test = await ImitatedRegistry.start();
    test.behaves(wants(isBearer, () => both(test)));
    for (const _ of [1, 2]) assert.equal(await test.pull(), 'ok');
    assert.deepEqual(test.calls, [
      `${manifest} -`,
      `tokens GET /v2/token?scope=*&scope=${pull}&service=container_registry -`,
      `${manifest} Bearer t1`,
      `${manifest} Bearer t1`,
    ]);
  });

  it('are sent user and password, and a token where these are refused', async () => {
    for (const takesBasic of [true, false]) {
      await using test = await ImitatedRegistry.start({ credential: user('me') });
      test.behaves(
        wants(
          (who) => (takesBasic ? who === 'me:p' : isBearer(who)),
          () => both(test),
        ),
      );
      assert.equal(await test.pull(), 'ok');
      const rest = takesBasic
        ? []
        : [
            `tokens GET /v2/token?scope=*&scope=${pull}&service=container_registry me:p`,
            `${manifest} Bearer t1`,
          ];
      assert.deepEqual(test.calls, [`${manifest} -`, `${manifest} me:p`, ...rest]);
    }
  });
});
