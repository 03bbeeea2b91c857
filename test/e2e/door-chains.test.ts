import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { basicHeader, bcrypt } from '#test/fakes/passwords.ts';
import { secret } from '#test/fakes/secrets.ts';
import { password, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';
import { needs } from '../setup/needs.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { freePort } from './support/free-port.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { madeImage, SkopeoUser } from './support/skopeo-user.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

/** Whom the cache in front knows; nobody behind it has heard of him. */
const bob = { name: 'bob', password: secret('of-bob') };

/** A cache in front of a registry, which knows bob, and that registry by these credentials. */
async function cacheOf(host: string, auth: object, path: string): Promise<Ociregistry> {
  const htpasswdFile = join(path, 'of-the-cache');
  await writeFile(htpasswdFile, `${bob.name}:${bcrypt(bob.password)}\n`);
  const registries = [{ name: host, scheme: 'http', alias: 'up', auth, cache: { freshness: 'always' } }];
  return await Ociregistry.start({
    settings: {
      ...{ registries, cache: { complete: false }, auth: { basic: { htpasswdFile } } },
      access: [{ name: 'bob', who: { user: bob.name }, repositories: ['**'], actions: ['pull'] }],
    },
  });
}

for (const [kind, auth, isForeign] of [
  ['by its tokens', {}, false],
  ['by passwords', { tokenService: undefined }, false],
  ['by the tokens of another of ours', {}, true],
] as const)
  describe(`our server in front of our server, which it knows ${kind}`, needs('crane', 'skopeo'), () => {
    const resources = new AsyncDisposableStack();
    let inner: TokenApp;
    let path: string;
    let alice: SkopeoUser;
    let asBob: SkopeoUser;
    const host = (): string => new URL(inner.url).host;

    before(async () => {
      ({ path } = resources.use(await temporaryDirectory()));
      const hosted = [{ repositories: ['team/*', 'open/*'] }];
      const accessOf = (who: object): readonly object[] => [
        {
          name: 'alice',
          who,
          repositories: ['team/a', 'open/a'],
          actions: ['pull', 'push'],
        },
        { name: 'open', who: 'anyone', repositories: ['open/*'], actions: ['pull'] },
      ];
      const place = async (alice: object = { user: 'alice' }): Promise<object> => {
        const port = await freePort();
        return { port, publicUrl: `http://127.0.0.1:${port}`, hosted, access: accessOf(alice) };
      };
      inner = isForeign
        ? await believing(
            resources.use(await tokenApp({}, { more: await place() })),
            await place({ subject: 'alice' }),
          )
        : await tokenApp(auth, { more: await place() });
      resources.use(inner);
      alice = new SkopeoUser(path, 'alice');
      asBob = new SkopeoUser(path, bob.name);
      await alice.login(host(), 'alice', password);
      const image = await madeImage(path);
      for (const name of ['team/a', 'open/a']) await alice.push(image, `${host()}/${name}:v1`);
    });
    after(async () => await resources.disposeAsync());

    it('is pulled from by whom the outer one knows, and the inner one hears of the outer one alone', async () => {
      await using outer = await cacheOf(host(), { user: 'alice', password }, path);
      await asBob.login(outer.host, bob.name, bob.password);
      const heard = inner.log.lines.length;
      const got = await asBob.pull(`${outer.host}/up/team/a:v1`);
      assert.deepEqual(got, await alice.pull(`${host()}/team/a:v1`));
      // Twice from the cache, whose content is as new as the inner one says.
      assert.deepEqual(await asBob.pull(`${outer.host}/up/team/a:v1`), got);
      const requests = inner.log.lines.slice(heard).filter((line) => /ociregistry\//.test(line));
      assert.ok(
        requests.some((line) => (isForeign ? /subject: '[^']+#alice'/ : /subject: 'alice'/).test(line)),
      );
      assert.ok(requests.every((line) => !line.includes(bob.name)));
      await assert.rejects(
        async () => await asBob.pull(`${outer.host}/up/team/b:v1`),
        /denied|40[134]|unauthorized/i,
      );
      const status = async (headers: Record<string, string>): Promise<number> =>
        (await fetch(`${outer.url}/v2/up/team/a/manifests/v1`, { headers })).status;
      // Neither the cache's credential nor nobody is let in by the cache itself.
      assert.deepEqual(
        [await status({}), await status({ authorization: basicHeader('alice', password) })],
        [401, 401],
      );
    });

    it('gives nothing but what is open by a wrong password or none, and the outer one says whose fault that is', async () => {
      for (const credentials of [{ user: 'alice', password: secret('wrong') }, undefined]) {
        await using outer = await cacheOf(host(), credentials ?? {}, path);
        await asBob.login(outer.host, bob.name, bob.password);
        await assert.rejects(
          async () => await asBob.pull(`${outer.host}/up/team/a:v1`),
          /denied|unauthorized|40[13]/i,
        );
        // A token for nobody in particular is nobody's to whoever believes another: its rules cannot tell it from none.
        if (credentials === undefined && !isForeign) await asBob.pull(`${outer.host}/up/open/a:v1`);
      }
    });
  });

/** One of ours that believes another of ours, and sends its clients there. */
async function believing(issuer: TokenApp, more: object): Promise<TokenApp> {
  const issuers = [
    {
      ...{ issuer: 'issuer.test', audience: 'cache.test', realm: `${issuer.url}/v2/token` },
      jwksUrl: `${issuer.url}/v2/token/jwks.json`,
    },
  ];
  const access = [
    { name: 'nobody without a token', who: 'anonymous', repositories: ['**'], actions: [] },
    { name: 'as the token says', who: 'anyone', repositories: ['**'], actions: ['pull', 'push'] },
  ];
  return await tokenApp(
    { basic: undefined, tokenService: undefined, issuers },
    { more: { ...more, access } },
  );
}

describe(
  'a cache in front of Debian’s docker-registry, which believes our tokens',
  needs('crane', 'skopeo', 'docker-registry'),
  () => {
    it('pulls from it with a token of ours, and serves what it has when it is gone', async () => {
      await using stack = new AsyncDisposableStack();
      const { path } = stack.use(await temporaryDirectory());
      const authority = stack.use(await TestAuthority.create());
      const { certFile, keyFile } = await authority.issue('token', 'DNS:issuer.test');
      const port = await freePort();
      const issuer = stack.use(
        await tokenApp(
          { tokenService: { issuer: 'issuer.test', service: 'cache.test', keyFile } },
          { more: { port, publicUrl: `http://127.0.0.1:${port}` } },
        ),
      );
      const registry = stack.use(
        await DockerRegistry.start({
          tokens: {
            ...{ realm: `${issuer.url}/v2/token`, service: 'cache.test', issuer: 'issuer.test' },
            certificates: await readFile(certFile, 'utf8'),
          },
        }),
      );
      const alice = new SkopeoUser(path, 'alice');
      await alice.login(registry.host, 'alice', password);
      await alice.push(await madeImage(path), `${registry.host}/team/a:v1`);
      const whole = await alice.pull(`${registry.host}/team/a:v1`);
      const cache = stack.use(await cacheOf(registry.host, { user: 'alice', password }, path));
      const asBob = new SkopeoUser(path, bob.name);
      await asBob.login(cache.host, bob.name, bob.password);
      await registry.takeRequests();
      assert.deepEqual(await asBob.pull(`${cache.host}/up/team/a:v1`), whole);
      const asked = await registry.takeRequests();
      assert.ok(
        asked.some((request) => request.startsWith('GET /v2/team/a/blobs/')),
        asked.join('\n'),
      );
      await registry.stop();
      assert.deepEqual(await asBob.pull(`${cache.host}/up/team/a:v1`), whole);
    });
  },
);
