import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { password, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';
import { find } from '../setup/components.ts';
import { needs, programOf } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { emptyImage } from './support/empty-image.ts';
import { freePort } from './support/free-port.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const refused = /denied|unauthorized|authentication required|40[13]/i;
const noConnection = /certificate|alert|EOF|reset/i;

/** Machines with a certificate pull, and alice pushes. */
const access = [
  { name: 'nodes', who: { certificate: 'node-*' }, repositories: ['team/*'], actions: ['pull'] },
  { name: 'alice', who: { user: 'alice' }, repositories: ['team/*'], actions: ['pull', 'push'] },
];

for (const [kind, auth] of [
  ['passwords', { tokenService: undefined }],
  ['tokens', {}],
] as const)
  describe(`real clients with certificates, and ${kind} besides`, needs('openssl', 'skopeo'), () => {
    let server: TokenApp;
    let path: string;
    let image: string;
    let resources: AsyncDisposableStack;
    before(async () => {
      resources = new AsyncDisposableStack();
      const authority = resources.use(await TestAuthority.create());
      const strangers = resources.use(await TestAuthority.create());
      ({ path } = resources.use(await temporaryDirectory()));
      const { certFile: cert, keyFile: key } = await authority.issue('server', 'IP:127.0.0.1');
      const port = await freePort();
      const serverTlsConfig = { cert, key, ca: authority.caFile, clientAuth: 'verify' };
      const more = { port, publicUrl: `https://127.0.0.1:${port}`, serverTlsConfig, access };
      server = resources.use(await tokenApp(auth, { more }));
      // As the directories of /etc/docker/certs.d have it.
      for (const [name, issuer] of [
        ['node-1', authority],
        ['other', authority],
        ['foreign', strangers],
        ['none', undefined],
      ] as const) {
        await mkdir(join(path, name));
        await copyFile(authority.caFile, join(path, name, 'ca.crt'));
        if (issuer === undefined) continue;
        const pair = await issuer.issue(name === 'foreign' ? 'node-1' : name, 'DNS:client');
        await copyFile(pair.certFile, join(path, name, 'client.cert'));
        await copyFile(pair.keyFile, join(path, name, 'client.key'));
      }
      image = await emptyImage(path);
    });
    after(async () => await resources.disposeAsync());

    const name = (): string => `docker://${new URL(server.url).host}/team/a:v1`;
    const skopeo = async (...args: readonly string[]): Promise<string> =>
      await command(programOf('skopeo'), ['--insecure-policy', ...args]);
    const push = async (certificates: string, ...more: readonly string[]): Promise<string> =>
      await skopeo('copy', `--dest-cert-dir=${join(path, certificates)}`, ...more, image, name());
    const pull = async (certificates: string, ...more: readonly string[]): Promise<string> =>
      await skopeo('inspect', `--cert-dir=${join(path, certificates)}`, ...more, '--raw', name());

    it('skopeo: shows its password beside its certificate, and pulls by the certificate alone', async () => {
      await assert.rejects(async () => await push('node-1', '--dest-no-creds'), refused);
      await assert.rejects(async () => await push('node-1', `--dest-creds=alice:wrong`), refused);
      await push('node-1', `--dest-creds=alice:${password}`);
      assert.match(await pull('node-1', '--no-creds'), /schemaVersion/);
      assert.match(await pull('other', `--creds=alice:${password}`), /schemaVersion/);
      await assert.rejects(async () => await pull('other', '--no-creds'), refused);
      for (const certificates of ['none', 'foreign'])
        await assert.rejects(async () => await pull(certificates, `--creds=alice:${password}`), noConnection);
    });

    it('curl: is told how to become known', {
      skip: find('curl') === undefined && 'curl is not installed',
    }, async () => {
      const curl = async (certificates: string, ...args: readonly string[]): Promise<string> => {
        const [cert, key, ca] = ['client.cert', 'client.key', 'ca.crt'].map((name) =>
          join(path, certificates, name),
        );
        const shown = ['--cert', String(cert), '--key', String(key), '--cacert', String(ca)];
        const url = `${server.url}/v2/`;
        return await command('curl', [
          '-sS',
          '-o',
          '/dev/null',
          '-w',
          '%{http_code} %header{www-authenticate}',
          ...shown,
          ...args,
          url,
        ]);
      };
      assert.match(await curl('node-1'), kind === 'tokens' ? /^401 Bearer realm/ : /^401 Basic realm/);
      assert.match(await curl('node-1', '-u', `alice:${password}`), /^200/);
      await assert.rejects(async () => await curl('foreign'), /curl: \(/);
    });
  });
