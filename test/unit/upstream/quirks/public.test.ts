import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  challenge,
  ImitatedRegistry,
  type Imitation,
  isBearer,
  wants,
} from '#test/fakes/imitated-registry.ts';
import { secret } from '#test/fakes/secrets.ts';
import { content, type Fault, json } from '#test/fakes/upstream-answers.ts';
import { headers, on, redirected, rejectsAuthorization } from '#test/fakes/upstream-faults.ts';

const manifest = 'registry GET /v2/team/app/manifests/v1';
const pull = 'repository:team/app:pull';
const person = (username: string) => ({ kind: 'basic', username, password: secret('pat') }) as const;

/** A registry that wants tokens by one challenge; `realm` and all behind it as it is written there. */
async function startWith(asks: (test: ImitatedRegistry) => string, options: Imitation = {}) {
  const test = await ImitatedRegistry.start(options);
  test.behaves(wants(isBearer, () => challenge(`Bearer ${asks(test)}`)));
  return test;
}

describe('Docker Hub', () => {
  const repository = 'library/alpine';
  const scope = 'repository:library/alpine:pull';
  const asks = (test: ImitatedRegistry) =>
    `realm="${test.realm('/token')}",service="registry.docker.io",scope="${scope}"`;
  const own = 'registry GET /v2/library/alpine/manifests/v1';
  const token = `tokens GET /token?scope=${scope}&service=registry.docker.io`;

  it('gives a token to a person, and sends for blobs to another place without it', async () => {
    await using test = await startWith(asks, { repository, credential: person('me') });
    test.behaves(on(/blobs/, redirected(test.store.origin)));
    test.store.faults.push(rejectsAuthorization);
    for (const _ of [1, 2]) assert.equal(await test.pull(), 'ok');
    assert.equal(await test.pullBlob(), 'ok');
    const blob = `/v2/library/alpine/blobs/${test.image.layers[0]?.digest}`;
    assert.deepEqual(test.calls, [
      `${own} -`,
      `${token} me:pat`,
      `${own} Bearer t1`,
      `${own} Bearer t1`,
      `registry GET ${blob} Bearer t1`,
      `store GET ${blob} -`,
    ]);
    for (const server of [test.registry, test.tokens, test.store])
      assert.ok(
        server.requests.every(({ headers: { 'user-agent': agent } }) => agent === 'ociregistry/test'),
      );
  });

  it('that does not say whether an image is private or missing denies it', async () => {
    await using test = await ImitatedRegistry.start({ repository });
    test.behaves(() => challenge(`Bearer ${asks(test)},error="insufficient_scope"`));
    assert.equal(await test.pull(), '403 DENIED');
    assert.deepEqual(test.calls, [`${own} -`, `${token} -`, `${own} Bearer t1`]);
  });

  it('that limits its token server has that passed on, and is not asked again for each request', async () => {
    await using test = await startWith(asks, {
      repository,
      tokens: () => json({}, 429, { 'Retry-After': '60' }),
    });
    for (const _ of [1, 2, 3]) assert.equal(await test.pull(), '429 TOOMANYREQUESTS');
    assert.deepEqual(test.calls, [`${own} -`, `${token} -`]);
  });
});

describe('GHCR', () => {
  const asks = (test: ImitatedRegistry) =>
    `realm="${test.realm('/token')}",service="ghcr.io",scope="${pull}"`;
  const token = `tokens GET /token?scope=${pull}&service=ghcr.io`;

  it('is not pinged, since its ping names a scope that is nobody’s', async () => {
    await using test = await startWith(asks, { name: 'ghcr.io', credential: person('anybody') });
    assert.equal(await test.pull(), 'ok');
    assert.deepEqual(test.calls, [`${manifest} -`, `${token} anybody:pat`, `${manifest} Bearer t1`]);
  });

  it('that denies a token for what is private or absent, or for more than it knows, denies', async () => {
    await using test = await startWith(asks, {
      name: 'ghcr.io',
      tokens: () => json({ errors: [{ code: 'DENIED', message: 'requested access is denied' }] }, 403),
    });
    assert.equal(await test.pull(), '403 DENIED');
    assert.deepEqual(test.calls, [`${manifest} -`, `${token} -`]);
  });
});

describe('Quay', () => {
  it('is asked by GET for the action pull alone, by a robot with a plus in its name', async () => {
    const credential = person('org+robot');
    await using test = await startWith(
      (own) => `realm="${own.realm('/v2/auth')}",service="quay.io",scope="${pull}"`,
      {
        name: 'quay.io',
        credential,
        tokens: ({ method, query }) =>
          method === 'POST' || /[:,](?!pull)[a-z]+$/.test(new URLSearchParams(query).get('scope') ?? '')
            ? json({}, method === 'POST' ? 405 : 400)
            : json({ token: secret('t') }),
      },
    );
    test.behaves(on(/blobs/, redirected(test.store.origin)));
    assert.equal(await test.pull(), 'ok');
    assert.equal(await test.pullBlob(), 'ok');
    assert.deepEqual(test.calls.slice(0, 3), [
      `${manifest} -`,
      `tokens GET /v2/auth?scope=${pull}&service=quay.io org+robot:pat`,
      `${manifest} Bearer t`,
    ]);
    assert.match(test.calls.at(-1) ?? '', /^store GET .* -$/);
  });
});

describe('registry.k8s.io', () => {
  it('sends everything elsewhere, and is asked itself each time', async () => {
    await using other = await ImitatedRegistry.start({ name: 'europe-west3-docker.pkg.dev' });
    await using test = await ImitatedRegistry.start({ name: 'registry.k8s.io' });
    test.behaves(
      on(/manifests/, redirected(other.registry.origin)),
      on(/blobs/, redirected(test.store.origin)),
    );
    for (const _ of [1, 2]) assert.equal(await test.pull(), 'ok');
    assert.equal(await test.pullBlob(), 'ok');
    assert.deepEqual(other.calls, [`${manifest} -`, `${manifest} -`]);
    const blob = `/v2/team/app/blobs/${test.image.layers[0]?.digest}`;
    assert.deepEqual(test.calls, [
      `${manifest} -`,
      `${manifest} -`,
      `registry GET ${blob} -`,
      `store GET ${blob} -`,
    ]);
  });

  it('has signatures in one region only: 404 from the others', async () => {
    await using other = await ImitatedRegistry.start({ name: 'europe-west3-docker.pkg.dev' });
    await using test = await ImitatedRegistry.start({ name: 'registry.k8s.io' });
    test.behaves(redirected(other.registry.origin));
    assert.equal(await test.pull(`sha256-${'a'.repeat(64)}.sig`), '404 MANIFEST_UNKNOWN');
    assert.equal(test.calls.length, 1);
  });
});

describe('nvcr.io', () => {
  const credential = { kind: 'basic', username: '$oauthtoken', password: secret('key') } as const;
  const asks = (test: ImitatedRegistry) => `realm="${test.realm(`/proxy_auth?scope=${pull}`)}"`;
  const token = `tokens GET /proxy_auth?scope=${pull}`;

  it('names no service, and the scope in its realm', async () => {
    await using test = await startWith(asks, { name: 'nvcr.io', credential });
    assert.equal(await test.pull(), 'ok');
    assert.deepEqual(test.calls, [`${manifest} -`, `${token} $oauthtoken:key`, `${manifest} Bearer t1`]);
  });

  it('that sends an expired token to another realm is asked bare for its own', async () => {
    await using test = await ImitatedRegistry.start({ name: 'nvcr.io' });
    let good = 'Bearer t1';
    const elsewhere = `Bearer realm="${test.realm('/authn')}",error="invalid_token"`;
    test.behaves(
      wants(
        (who) => who === good,
        (who) => challenge(isBearer(who) ? elsewhere : `Bearer ${asks(test)}`),
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
});

describe('Red Hat', () => {
  const path = '/auth/realms/rhcc/protocol/redhat-docker-v2/auth';
  const plain: Fault = headers({ 'Docker-Content-Digest': undefined, 'Content-Type': 'text/plain' });

  it('knows service accounts with a pipe in their names', async () => {
    await using test = await startWith((own) => `realm="${own.realm(path)}",service="docker-registry"`, {
      name: 'registry.redhat.io',
      credential: person('1234|puller'),
    });
    assert.equal(await test.pull(), 'ok');
    assert.deepEqual(test.calls, [
      `${manifest} -`,
      `tokens GET ${path}?scope=${pull}&service=docker-registry 1234|puller:pat`,
      `${manifest} Bearer t1`,
    ]);
  });

  it('may send manifests as text/plain and without their digest, which a HEAD does not do for', async () => {
    await using test = await ImitatedRegistry.start({ name: 'registry.access.redhat.com' });
    test.behaves(plain);
    assert.equal(await test.pull(), 'ok');
    assert.equal(await test.resolve(), 'ok');
    assert.deepEqual(test.calls, [`${manifest} -`, `${manifest.replace('GET', 'HEAD')} -`, `${manifest} -`]);
    const [first] = test.registry.requests;
    assert.match(first?.headers.accept ?? '', /oci\.image\.index.*manifest\.list/);
    assert.equal(first?.headers['accept-encoding'], 'identity');
  });

  it('that says UNKNOWN with 404 means that there is no such manifest', async () => {
    await using test = await ImitatedRegistry.start({ name: 'registry.redhat.io' });
    test.behaves(() => json({ errors: [{ code: 'UNKNOWN', message: 'Not Found' }] }, 404));
    assert.equal(await test.pull(), '404 MANIFEST_UNKNOWN');
    test.registry.faults.splice(1, 1, () => content('404 page not found', 'text/plain', {}, 404));
    assert.equal(await test.pull(), '404 MANIFEST_UNKNOWN');
  });
});

describe('SUSE', () => {
  it('has a service with blanks, and finds a good token too narrow, once', async () => {
    await using test = await ImitatedRegistry.start({ name: 'registry.suse.com' });
    const asks = (scope: string, error = '') =>
      challenge(
        `Bearer realm="${test.realm('/auth')}",service="SUSE Linux Docker Registry",scope="${scope}"${error}`,
      );
    const more = 'repository:base:pull';
    test.behaves(
      wants(
        (who) => who === 'Bearer t2',
        (who) => (isBearer(who) ? asks(more, ',error="insufficient_scope"') : asks(pull)),
      ),
    );
    assert.equal(await test.pull(), 'ok');
    const service = 'service=SUSE Linux Docker Registry';
    assert.deepEqual(test.calls, [
      `${manifest} -`,
      `tokens GET /auth?scope=${pull}&${service} -`,
      `${manifest} Bearer t1`,
      `tokens GET /auth?scope=${more}&${service} -`,
      `${manifest} Bearer t2`,
    ]);
  });
});

describe('lscr.io and the names that Scarf gives', () => {
  it('lead to another registry, which is met as a stranger: by a token for nobody', async () => {
    await using other = await startWith(
      (own) => `realm="${own.realm('/token')}",service="ghcr.io",scope="${pull}"`,
      { name: 'ghcr.io' },
    );
    await using test = await ImitatedRegistry.start({ name: 'lscr.io', credential: person('me') });
    test.behaves(redirected(other.registry.origin));
    for (const _ of [1, 2]) assert.equal(await test.pull(), 'ok');
    assert.deepEqual(test.calls, [`${manifest} -`, `${manifest} -`]);
    assert.deepEqual(other.calls, [
      `${manifest} -`,
      `tokens GET /token?scope=${pull}&service=ghcr.io -`,
      `${manifest} Bearer t1`,
      `${manifest} Bearer t1`,
    ]);
  });
});
