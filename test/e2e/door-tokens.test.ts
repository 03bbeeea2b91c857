import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { basicHeader } from '#test/fakes/passwords.ts';
import { asked, password, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';
import { needs, programOf } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { freePort } from './support/free-port.ts';
import { makeLayer } from './support/images.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

describe('real clients that log in', () => {
  let server: TokenApp;
  let registry: DockerRegistry;
  let path: string;
  let resources: AsyncDisposableStack;
  before(async () => {
    resources = new AsyncDisposableStack();
    ({ path } = resources.use(await temporaryDirectory()));
    const authority = resources.use(await TestAuthority.create());
    const { certFile, keyFile } = await authority.issue('token', 'DNS:issuer.test');
    const port = await freePort();
    const tokenService = { issuer: 'issuer.test', service: 'cache.test', keyFile, certificateFile: certFile };
    const more = { port, publicUrl: `http://127.0.0.1:${port}` };
    server = resources.use(await tokenApp({ tokenService }, { more }));
    registry = resources.use(
      await DockerRegistry.start({
        tokens: {
          ...{ realm: `${server.url}/v2/token`, service: 'cache.test', issuer: 'issuer.test' },
          // The token brings its certificate (x5c), which this authority has signed.
          certificates: await readFile(authority.caFile, 'utf8'),
        },
      }),
    );
  });
  after(async () => await resources.disposeAsync());

  const host = (): string => new URL(server.url).host;

  async function crane(...args: readonly string[]): Promise<string> {
    return await command(programOf('crane'), ['--insecure', ...args], { DOCKER_CONFIG: join(path, 'crane') });
  }

  it('crane: logs in, pushes and lists', needs('crane'), async () => {
    const layer = await makeLayer(path, 'layer', 100_000);
    const reference = `${host()}/team/crane:v1`;
    const push = async (): Promise<unknown> =>
      await crane('append', '--oci-empty-base', '-f', layer, '-t', reference);
    await assert.rejects(push, /401|UNAUTHORIZED|unauthorized/i);
    await crane('auth', 'login', host(), '-u', 'alice', '-p', password);
    await push();
    assert.match(await crane('digest', reference), /^sha256:/);
    assert.match(await crane('catalog', host()), /team\/crane/);
  });

  it(
    'skopeo: logs in, and copies from here to there',
    needs('skopeo', 'crane', 'docker-registry'),
    async () => {
      const layers = [await makeLayer(path, 'skopeo', 100_000)];
      await crane('auth', 'login', host(), '-u', 'alice', '-p', password);
      await crane(
        'append',
        '--oci-empty-base',
        ...layers.flatMap((layer) => ['-f', layer]),
        '-t',
        `${host()}/team/skopeo:v1`,
      );
      const authfile = join(path, 'skopeo.json');
      const skopeo = async (...args: readonly string[]): Promise<string> =>
        await command(programOf('skopeo'), ['--insecure-policy', ...args, '--authfile', authfile]);
      const inspect = ['inspect', '--tls-verify=false', `docker://${host()}/team/skopeo:v1`];
      await assert.rejects(
        async () => await skopeo(...inspect),
        /unauthorized|authentication required|access to the resource is denied/i,
      );
      await assert.rejects(
        async () => await skopeo('login', '--tls-verify=false', '-u', 'alice', '-p', 'wrong', host()),
      );
      for (const at of [host(), registry.host])
        await skopeo('login', '--tls-verify=false', '-u', 'alice', '-p', password, at);
      await skopeo(...inspect);
      const copy = ['copy', '--src-tls-verify=false', '--dest-tls-verify=false'];
      await skopeo(...copy, `docker://${host()}/team/skopeo:v1`, `docker://${registry.host}/team/copy:v1`);
      assert.match(
        await skopeo('inspect', '--tls-verify=false', `docker://${registry.host}/team/copy:v1`),
        /"Digest"/,
      );
    },
  );

  it('podman: logs in', needs('podman'), async () => {
    const authfile = join(path, 'podman.json');
    const login = async (typed: string): Promise<string> =>
      await command(programOf('podman'), [
        ...['login', '--tls-verify=false', '--authfile', authfile, '-u', 'alice', '-p', typed, host()],
      ]);
    await assert.rejects(async () => await login('wrong'));
    assert.match(await login(password), /Login Succeeded/);
  });

  it(
    'a registry: finds the key by its name among those that it believes',
    needs('docker-registry'),
    async () => {
      await using authority = await TestAuthority.create();
      const { certFile, keyFile } = await authority.issue('named', 'DNS:issuer.test');
      const tokenService = { issuer: 'issuer.test', service: 'cache.test', keyFile };
      await using issuer = await tokenApp({ tokenService });
      const certificates = await readFile(certFile, 'utf8');
      await using believing = await DockerRegistry.start({
        tokens: {
          realm: `${issuer.url}/v2/token`,
          service: 'cache.test',
          issuer: 'issuer.test',
          certificates,
        },
      });
      const url = `${issuer.url}/v2/token?scope=repository:team/none:pull`;
      const { body } = await asked(url, { headers: { authorization: basicHeader('alice', password) } });
      const shown = { authorization: `Bearer ${String(body['token'])}` };
      assert.equal((await asked(`${believing.url}/v2/team/none/tags/list`, { headers: shown })).status, 404);
      assert.equal((await fetch(`${registry.url}/v2/team/none/tags/list`, { headers: shown })).status, 401);
    },
  );

  it(
    'a registry: takes our token for what it grants, and for nothing else',
    needs('docker-registry'),
    async () => {
      const token = async (scope: string): Promise<string> => {
        const url = `${server.url}/v2/token?service=cache.test&scope=${scope}`;
        const { body } = await asked(url, { headers: { authorization: basicHeader('alice', password) } });
        return String(body['token']);
      };
      const status = async (name: string, shown: string): Promise<number> =>
        (
          await fetch(`${registry.url}/v2/${name}/tags/list`, {
            headers: { authorization: `Bearer ${shown}` },
          })
        ).status;
      const pull = await token('repository:team/none:pull');
      assert.deepEqual([await status('team/none', pull), await status('team/other', pull)], [404, 401]);
      const offline = `${server.url}/v2/token?service=cache.test&offline_token=true`;
      const { body } = await asked(offline, { headers: { authorization: basicHeader('alice', password) } });
      assert.equal(await status('team/none', String(body['refresh_token'])), 401);
    },
  );
});
