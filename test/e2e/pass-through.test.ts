import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { basicHeader, bcrypt } from '#test/fakes/passwords.ts';
import { type Answer, ask } from '#test/fakes/registry-server.ts';
import { runApp } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';
import { tokenApp } from '#test/fakes/token-app.ts';
import { waited } from '#test/fakes/waited.ts';
import { needs, programOf } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { freePort } from './support/free-port.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const minute = 60_000;
const passwords = { alice: secret('of-alice'), bob: secret('of-bob'), carol: secret('of-carol') };
type User = keyof typeof passwords;

function htpasswd(...users: readonly User[]): string {
  return users.map((user) => `${user}:${bcrypt(passwords[user])}\n`).join('');
}

const headerOf = (user: User): string => basicHeader(user, passwords[user]);

/** A cache of a registry that holds `team/app:v1` and `pub/app:v1`. `auth`: of that registry. */
async function openCache(auth: (resources: AsyncDisposableStack, path: string) => Promise<object>) {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const data = join(path, 'data');
  {
    await using plain = await DockerRegistry.start({ data });
    const layers = [await makeLayer(path, 'layer', 300_000)];
    for (const name of ['team/app', 'pub/app'])
      await pushImage({ reference: `${plain.host}/${name}:v1`, layers, format: 'oci' });
  }
  const registry = stack.use(await DockerRegistry.start({ data, ...(await auth(stack, path)) }));
  const clock = new FakeClock();
  const log = new LogLines();
  const registries = [
    { name: registry.host, scheme: 'http' as const, alias: 'up', authorization: 'passThrough' as const },
  ];
  const settings = { imagePath: join(path, 'cache'), logLevel: 'debug' as const, registries };
  const app = stack.use(await runApp(settings, { log, clock }));
  const get = async (who: User | undefined, rest: string, headers = {}, name = 'team/app'): Promise<Answer> =>
    await ask(app.server, `/v2/up/${name}/${rest}`, {
      headers: { ...headers, ...(who !== undefined && { authorization: headerOf(who) }) },
    });
  const head = async (who: User, rest: string): Promise<Answer> =>
    await ask(app.server, `/v2/up/team/app/${rest}`, {
      method: 'HEAD',
      headers: { authorization: headerOf(who) },
    });
  const digests = async () => {
    const { body, headers } = await get('alice', 'manifests/v1');
    const { config, layers } = JSON.parse(body.toString()) as {
      config: { digest: string };
      layers: { digest: string }[];
    };
    return {
      manifest: String(headers['docker-content-digest']),
      config: config.digest,
      layer: layers[0]?.digest ?? '',
    };
  };
  const kept = stack.move();
  return {
    ...{ app, registry, clock, path, get, head, digests },
    host: `127.0.0.1:${app.server.port}`,
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

type Cache = Awaited<ReturnType<typeof openCache>>;

/** Until what was pulled is in the store, for alice. */
async function stored({ head, digests }: Cache): Promise<void> {
  const { config, layer } = await digests();
  for (const digest of [config, layer])
    while (!/; hit/.test(String((await head('alice', `blobs/${digest}`)).headers['cache-status'])));
}

async function pathsIn({ digests }: Cache): Promise<[path: string, headers?: Record<string, string>][]> {
  const { manifest, config, layer } = await digests();
  return [
    ['manifests/v1'],
    [`manifests/${manifest}`],
    [`blobs/${layer}`],
    [`blobs/${layer}`, { range: 'bytes=10-19' }],
    [`blobs/${config}`],
    ['tags/list'],
    [`referrers/${manifest}`],
  ];
}

const byPasswords = async (): Promise<object> => ({ htpasswd: htpasswd('alice', 'carol') });

/** Our own server says what who may: alice all of the team's, bob what is public. */
async function byTokens(resources: AsyncDisposableStack, path: string): Promise<object> {
  const authority = resources.use(await TestAuthority.create());
  const { certFile, keyFile } = await authority.issue('token', 'DNS:issuer.test');
  const port = await freePort();
  const htpasswdFile = join(path, 'users');
  await writeFile(htpasswdFile, htpasswd('alice', 'bob', 'carol'));
  const rule = (name: string, user: string, repositories: string[]) => ({
    ...{ name, who: { user }, repositories, actions: ['pull'] },
  });
  const issuer = resources.use(
    await tokenApp(
      {
        basic: { htpasswdFile },
        tokenService: {
          issuer: 'issuer.test',
          service: 'cache.test',
          keyFile,
          certificateFile: certFile,
          expiry: '1h',
        },
      },
      {
        more: {
          ...{ port, publicUrl: `http://127.0.0.1:${port}` },
          hosted: [{ repositories: ['team/**', 'pub/**'] }],
          access: [rule('a', 'alice', ['**']), rule('c', 'carol', ['**']), rule('b', 'bob', ['pub/**'])],
        },
      },
    ),
  );
  return {
    tokens: {
      ...{ realm: `${issuer.url}/v2/token`, service: 'cache.test', issuer: 'issuer.test' },
      certificates: await readFile(authority.caFile, 'utf8'),
    },
  };
}

for (const [what, auth] of [
  ['passwords', byPasswords],
  ['tokens', byTokens],
] as const) {
  describe(
    `docker-registry with ${what}, in the name of each client`,
    needs('docker-registry', 'crane'),
    () => {
      it('lets whoever may have all of it, cached or not, and whoever may not nothing', async () => {
        await using cache = await openCache(auth);
        for (const [path, headers] of await pathsIn(cache)) {
          for (const who of [undefined, 'bob'] as const)
            assert.equal((await cache.get(who, path, headers)).status, 401, `${path} for ${who ?? 'nobody'}`);
          for (const who of ['alice', 'carol', 'alice'] as const)
            assert.ok(
              [200, 206].includes((await cache.get(who, path, headers)).status),
              `${path} for ${who}`,
            );
          assert.equal((await cache.get('bob', path, headers)).status, 401, `${path} for bob again`);
        }
        if (what === 'tokens')
          assert.equal((await cache.get('bob', 'manifests/v1', {}, 'pub/app')).status, 200);
      });

      it('is asked once a minute for each, and twice for nobody', async () => {
        await using cache = await openCache(auth);
        const paths = await pathsIn(cache);
        for (const [path, headers] of paths) await cache.get('alice', path, headers);
        await stored(cache);
        await cache.registry.takeRequests();
        for (let turn = 0; turn < 2; turn += 1)
          for (const [path, headers] of paths.filter(([of]) => /blobs|manifests/.test(of)))
            await cache.get('carol', path, headers);
        const asked = (await cache.registry.takeRequests()).filter((line) => !line.endsWith('/v2/'));
        const heads = new Set(asked);
        assert.deepEqual([...heads], ['HEAD /v2/team/app/manifests/v1']);
        // Without the password, with it, and where a token is wanted no more.
        assert.ok(asked.length <= 2, asked.join('\n'));
      });

      it('that is away: lets have what is cached whoever was let within the hour', async () => {
        await using cache = await openCache(auth);
        const paths = await pathsIn(cache);
        for (const [path, headers] of paths) await cache.get('alice', path, headers);
        await stored(cache);
        await cache.registry.stop();
        const late = async (who: User, path: string, headers?: Record<string, string>): Promise<number> =>
          (await waited(cache.clock, cache.get(who, path, headers))).status;
        await cache.clock.advance(minute);
        for (const [path, headers] of paths) {
          assert.ok([200, 206].includes(await late('alice', path, headers)), path);
          for (const who of ['bob', 'carol'] as const)
            assert.equal(await late(who, path, headers), 502, `${path} for ${who}`);
        }
        await cache.clock.advance(60 * minute);
        for (const [path, headers] of paths) assert.equal(await late('alice', path, headers), 502, path);
      });
    },
  );
}

describe('clients that log in at a cache of somebody else’s registry', () => {
  let cache: Cache;
  before(async () => {
    cache = await openCache(byTokens);
  });
  after(async () => await cache[Symbol.asyncDispose]());

  it('crane: pulls what its user may, and lists it', needs('docker-registry', 'crane'), async () => {
    const crane = async (user: User, ...args: readonly string[]): Promise<string> =>
      await command(programOf('crane'), ['--insecure', ...args], { DOCKER_CONFIG: join(cache.path, user) });
    for (const user of ['alice', 'bob'] as const)
      await crane(user, 'auth', 'login', cache.host, '-u', user, '-p', passwords[user]);
    const image = `${cache.host}/up/team/app:v1`;
    const pull = async (user: User): Promise<string> =>
      await crane(user, 'pull', image, join(cache.path, `${user}.tar`));
    await assert.rejects(async () => await pull('bob'), /UNAUTHORIZED|unauthorized/);
    await pull('alice');
    await assert.rejects(async () => await pull('bob'), /UNAUTHORIZED|unauthorized/);
    assert.equal((await crane('alice', 'ls', `${cache.host}/up/team/app`)).trim(), 'v1');
    await assert.rejects(async () => await crane('bob', 'ls', `${cache.host}/up/team/app`));
    assert.match(await crane('bob', 'digest', `${cache.host}/up/pub/app:v1`), /^sha256:/);
  });

  it(
    'skopeo: is let in by the right password alone, and copies what its user may',
    needs('docker-registry', 'crane', 'skopeo'),
    async () => {
      const skopeo = async (user: User, ...args: readonly string[]): Promise<string> =>
        await command(programOf('skopeo'), [
          ...['--insecure-policy', ...args, '--authfile', join(cache.path, `${user}.json`)],
        ]);
      const login = async (user: User, password: string): Promise<string> =>
        await skopeo(user, 'login', '--tls-verify=false', '-u', user, '-p', password, cache.host);
      await assert.rejects(async () => await login('alice', secret('wrong')));
      for (const user of ['alice', 'bob'] as const) await login(user, passwords[user]);
      const copy = async (user: User, name: string): Promise<string> =>
        await skopeo(
          user,
          'copy',
          '--src-tls-verify=false',
          `docker://${cache.host}/up/${name}:v1`,
          `dir:${join(cache.path, `${user}-${name.replace('/', '-')}`)}`,
        );
      await copy('alice', 'team/app');
      await assert.rejects(
        async () => await copy('bob', 'team/app'),
        /unauthorized|authentication required|not let/i,
      );
      await copy('bob', 'pub/app');
    },
  );

  it(
    'podman: logs in, and is refused with a wrong password',
    needs('docker-registry', 'crane', 'podman'),
    async () => {
      const login = async (password: string): Promise<string> =>
        await command(programOf('podman'), [
          ...['login', '--tls-verify=false', '--authfile', join(cache.path, 'podman.json')],
          ...['-u', 'alice', '-p', password, cache.host],
        ]);
      await assert.rejects(async () => await login(secret('wrong')));
      assert.match(await login(passwords.alice), /Login Succeeded/);
    },
  );
});
