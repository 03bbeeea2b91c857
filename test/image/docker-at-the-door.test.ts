import assert from 'node:assert/strict';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { bcrypt } from '#test/fakes/passwords.ts';
import { password, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';
import { Dockerd } from '../e2e/support/dockerd.ts';
import { freePort } from '../e2e/support/free-port.ts';
import { makeLayer } from '../e2e/support/images.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import { Program } from '../e2e/support/program.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs } from '../setup/needs.ts';

const refused = /denied|unauthorized|authentication required|incorrect username|no basic auth|40[13]/i;

/** Alice may push to `team/a` alone; `open/*` is for anybody to read. */
const access = [
  { name: 'alice', who: { user: 'alice' }, repositories: ['team/a', 'open/a'], actions: ['pull', 'push'] },
  { name: 'open', who: 'anyone', repositories: ['open/*'], actions: ['pull'] },
];
const hosted = [{ repositories: ['team/*', 'open/*'] }];

/**
 * What alice may, and nobody else, as she does it with `docker login`, `push` and `pull`. `withTokens`: then Docker can be nobody; where it is asked for a password it wants one for all.
 */
async function comesAndGoes(
  daemon: Dockerd,
  { host, path, withTokens }: { host: string; path: string; withTokens: boolean },
): Promise<void> {
  const alice = join(path, 'alice');
  const nobody = join(path, 'nobody');
  const login = async (typed: string): Promise<string> =>
    await daemon.as(alice, 'login', '-u', 'alice', '-p', typed, host);
  const push = async (who: string, name: string): Promise<string> => {
    await daemon.as(who, 'tag', 'made:v1', `${host}/${name}`);
    return await daemon.as(who, 'push', `${host}/${name}`);
  };
  await daemon.as(nobody, 'import', await makeLayer(path, 'layer', 100_000), 'made:v1');
  await assert.rejects(async () => await login('wrong'), refused);
  await assert.rejects(async () => await push(nobody, 'team/a:v1'), refused);
  assert.match(await login(password), /Login Succeeded/);
  const [, digest = ''] = /digest: (sha256:[0-9a-f]{64})/.exec(await push(alice, 'team/a:v1')) ?? [];
  await push(alice, 'open/a:v1');
  await assert.rejects(async () => await push(alice, 'team/b:v1'), refused);
  await daemon.as(alice, 'rmi', '--force', `${host}/team/a:v1`, `${host}/open/a:v1`, 'made:v1');
  await assert.rejects(async () => await daemon.as(nobody, 'pull', `${host}/team/a:v1`), refused);
  const open = async (): Promise<string> => await daemon.as(nobody, 'pull', `${host}/open/a:v1`);
  if (withTokens) await open();
  else await assert.rejects(open, /no basic auth credentials/);
  for (const reference of [':v1', `@${digest}`])
    assert.match(await daemon.as(alice, 'pull', `${host}/team/a${reference}`), new RegExp(digest));
  await daemon.as(alice, 'logout', host);
  await assert.rejects(async () => await daemon.as(alice, 'pull', `${host}/team/a:v1`), refused);
}

describe('Docker at the door', needs('dockerd'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  // Without TLS Docker shows a password to this machine alone.
  for (const [kind, auth, withTokens] of [
    ['passwords', { tokenService: undefined }, false],
    ['tokens', {}, true],
  ] as const)
    it(`logs in, pushes and pulls what it may, by ${kind}`, async () => {
      await using stack = new AsyncDisposableStack();
      const { path } = stack.use(await temporaryDirectory());
      const port = await freePort();
      const more = { port, publicUrl: `http://127.0.0.1:${port}`, hosted, access };
      const server: TokenApp = stack.use(await tokenApp(auth, { more }));
      const daemon = stack.use(await Dockerd.start('{}'));
      await comesAndGoes(daemon, { host: new URL(server.url).host, path, withTokens });
    });

  describe('with an authority of our own, elsewhere than on this machine', () => {
    /** For documentation (RFC 5737): of nobody, and not loopback, which Docker believes without looking. */
    const address = '192.0.2.1';
    let within: readonly string[];
    let server: Ociregistry;
    let authority: TestAuthority;
    let path: string;

    before(async () => {
      ({ path } = resources.use(await temporaryDirectory()));
      authority = resources.use(await TestAuthority.create());
      const { certFile: cert, keyFile: key } = await authority.issue('server', `IP:${address}`);
      const [file = '', ...args] = ['unshare', '--net', 'sh', '-c'];
      const script = `ip link set lo up && ip address add ${address}/32 dev lo && echo ready && exec sleep infinity`;
      const network = resources.use(new Program(file, [...args, script]));
      await network.line(/^ready$/);
      within = ['nsenter', `--net=/proc/${network.pid}/ns/net`];
      const node = join(path, 'node');
      await writeFile(node, `#!/bin/sh\nexec ${within.join(' ')} ${process.execPath} "$@"\n`, {
        mode: 0o700,
      });
      const htpasswdFile = join(path, 'htpasswd');
      await writeFile(htpasswdFile, `alice:${bcrypt(password)}\n`);
      const settings = {
        ...{ host: address, hosted, access, auth: { basic: { htpasswdFile } } },
        serverTlsConfig: { cert, key },
      };
      server = resources.use(await Ociregistry.start({ node, settings }));
    });

    /** A daemon with a folder `/etc/docker` of its own, with these files of `certs.d`. */
    async function daemonWith(certificates: Readonly<Record<string, string>>): Promise<Dockerd> {
      const etc = join(path, `etc-${performance.now()}`);
      const folder = join(etc, 'certs.d', server.host);
      await mkdir(folder, { recursive: true });
      for (const [name, file] of Object.entries(certificates)) await copyFile(file, join(folder, name));
      await mkdir('/etc/docker', { recursive: true });
      const own = ['unshare', '--mount', 'sh', '-c', `mount --bind ${etc} /etc/docker && exec "$@"`, 'sh'];
      return await Dockerd.start('{}', {}, [...within, ...own]);
    }

    it('shows its password to nobody whom it does not believe', async () => {
      await using daemon = await daemonWith({});
      await assert.rejects(
        async () =>
          await daemon.as(join(path, 'doubting'), 'login', '-u', 'alice', '-p', password, server.host),
        /x509|certificate signed by unknown authority/,
      );
    });

    it('logs in, pushes and pulls what it may, with the authority in /etc/docker/certs.d', async () => {
      await using daemon = await daemonWith({ 'ca.crt': authority.caFile });
      await comesAndGoes(daemon, { host: server.host, path, withTokens: false });
    });
  });
});
