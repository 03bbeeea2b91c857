import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { password, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';
import { needs, programOf } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { emptyImage } from './support/empty-image.ts';
import { freePort } from './support/free-port.ts';
import { makeLayer } from './support/images.ts';
import { ownStore } from './support/podman.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const refused = /denied|unauthorized|invalid username|authentication required|40[13]/i;

/** Alice may push to `team/a` alone; `open/*` is for anybody to read. */
const access = [
  { name: 'alice', who: { user: 'alice' }, repositories: ['team/a', 'open/a'], actions: ['pull', 'push'] },
  { name: 'open', who: 'anyone', repositories: ['open/*'], actions: ['pull'] },
];

for (const [kind, auth] of [
  ['passwords', { tokenService: undefined }],
  ['tokens', {}],
] as const)
  describe(`real clients behind rules, by ${kind}`, () => {
    let server: TokenApp;
    let path: string;
    let resources: AsyncDisposableStack;
    before(async () => {
      resources = new AsyncDisposableStack();
      ({ path } = resources.use(await temporaryDirectory()));
      const port = await freePort();
      const hosted = [{ repositories: ['team/*', 'open/*'] }];
      const more = { port, publicUrl: `http://127.0.0.1:${port}`, hosted, access };
      server = resources.use(await tokenApp(auth, { more }));
    });
    after(async () => await resources.disposeAsync());

    const host = (): string => new URL(server.url).host;

    it(
      'crane: pushes and pulls what it may, and nobody in particular what is open',
      needs('crane'),
      async () => {
        const crane = async (as: string, ...args: readonly string[]): Promise<string> =>
          await command(programOf('crane'), ['--insecure', ...args], { DOCKER_CONFIG: join(path, as) });
        const layer = await makeLayer(path, 'layer', 50_000);
        const append = ['append', '--oci-empty-base', '-f', layer, '-t'];
        await crane('alice', 'auth', 'login', host(), '-u', 'alice', '-p', password);
        for (const name of ['team/a', 'open/a']) await crane('alice', ...append, `${host()}/${name}:v1`);
        await assert.rejects(async () => await crane('alice', ...append, `${host()}/team/b:v1`), refused);
        await assert.rejects(async () => await crane('alice', 'delete', `${host()}/team/a:v1`), refused);
        assert.match(await crane('alice', 'digest', `${host()}/team/a:v1`), /^sha256:/);
        assert.match(await crane('nobody', 'digest', `${host()}/open/a:v1`), /^sha256:/);
        await assert.rejects(async () => await crane('nobody', 'digest', `${host()}/team/a:v1`), refused);
        await assert.rejects(async () => await crane('nobody', ...append, `${host()}/open/a:v2`), refused);
      },
    );

    it('skopeo: logs in, pushes and pulls what it may', needs('skopeo'), async () => {
      const authfile = join(path, 'skopeo.json');
      const image = await emptyImage(path);
      const skopeo = async (...args: readonly string[]): Promise<string> =>
        await command(programOf('skopeo'), ['--insecure-policy', ...args, '--authfile', authfile]);
      const login = ['login', '--tls-verify=false', '-u', 'alice'];
      await assert.rejects(async () => await skopeo(...login, '-p', 'wrong', host()), refused);
      await skopeo(...login, '-p', password, host());
      const to = (name: string): string[] => [
        'copy',
        '--dest-tls-verify=false',
        image,
        `docker://${host()}/${name}`,
      ];
      await skopeo(...to('team/a:skopeo'));
      await assert.rejects(async () => await skopeo(...to('team/b:skopeo')), refused);
      const back = ['copy', '--src-tls-verify=false', `docker://${host()}/team/a:skopeo`];
      await skopeo(...back, `dir:${join(path, 'back')}`);
      await skopeo('logout', host());
      await assert.rejects(async () => await skopeo(...back, `dir:${join(path, 'out')}`), refused);
    });

    it('podman: logs in, pushes and pulls what it may', needs('podman'), async () => {
      const authfile = ['--authfile', join(path, 'podman.json'), '--tls-verify=false'];
      const podman = async (...args: readonly string[]): Promise<string> =>
        await command(programOf('podman'), [...ownStore(path), ...args]);
      const policy = join(path, 'policy.json');
      await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
      const layer = await makeLayer(path, 'podman', 50_000);
      await podman('import', '--signature-policy', policy, layer, 'localhost/made:v1');
      const push = async (name: string): Promise<string> =>
        await podman(
          'push',
          '--signature-policy',
          policy,
          ...authfile,
          'localhost/made:v1',
          `${host()}/${name}`,
        );
      await writeFile(join(path, 'podman.json'), '{}');
      await assert.rejects(async () => await push('team/a:podman'), refused);
      await podman('login', ...authfile, '-u', 'alice', '-p', password, host());
      await push('team/a:podman');
      await assert.rejects(async () => await push('team/b:podman'), refused);
      await podman('pull', '--signature-policy', policy, ...authfile, `${host()}/team/a:podman`);
    });
  });
