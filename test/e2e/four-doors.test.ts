import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { asked } from '#test/fakes/token-app.ts';
import { needs, programOf } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { type FourDoors, fourDoors, program, user } from './support/four-doors.ts';
import { makeLayer } from './support/images.ts';
import { ownStore } from './support/podman.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const refused = /unauthorized|denied|authentication required|invalid username|unsupported|40[1345]/i;

describe(
  'the four doors of the seed, by real clients',
  needs('redis-server', 'crane', 'skopeo', 'podman'),
  () => {
    let doors: FourDoors;
    let path: string;
    const resources = new AsyncDisposableStack();
    before(async () => {
      doors = resources.use(await fourDoors());
      ({ path } = resources.use(await temporaryDirectory()));
      await mkdir(join(path, 'certs'));
      await copyFile(doors.caFile, join(path, 'certs', 'ca.crt'));
    });
    after(async () => await resources.disposeAsync());

    const skopeo = async (...args: readonly string[]): Promise<string> =>
      await command(programOf('skopeo'), ['--insecure-policy', ...args]);

    /** With the token in Docker's configuration, as programs have it there. */
    async function crane(token: string | undefined, ...args: readonly string[]): Promise<string> {
      const config = join(path, token === undefined ? 'nobody' : 'program');
      await mkdir(config, { recursive: true });
      const auths = token === undefined ? {} : { [doors.hosts.oauth]: { registrytoken: token } };
      await writeFile(join(config, 'config.json'), JSON.stringify({ auths }));
      return await command(programOf('crane'), ['--insecure', ...args], { DOCKER_CONFIG: config });
    }

    it('skopeo: a user by TLS pushes what a program pulls with a token, and neither comes in by the other’s door', async () => {
      const { basic, oauth } = doors.hosts;
      await doors.wait();
      const layer = await makeLayer(path, 'skopeo', 50_000);
      const archive = join(path, 'made');
      await command(programOf('crane'), [
        'append',
        '--oci-empty-base',
        '-f',
        layer,
        '-t',
        'made:v1',
        '-o',
        archive,
      ]);
      const creds = `${user.name}:${user.password}`;
      const push = async (to: string, ...how: readonly string[]): Promise<string> =>
        await skopeo('copy', '--quiet', ...how, `docker-archive:${archive}`, `docker://${to}/apps/skopeo:v1`);
      const trusting = ['--dest-cert-dir', join(path, 'certs')];
      await assert.rejects(async () => await push(basic, '--dest-creds', creds), /x509|certificate/);
      await assert.rejects(async () => await push(basic, ...trusting, '--dest-creds', 'user:wrong'), refused);
      await push(basic, ...trusting, '--dest-creds', creds);
      const plain = ['--src-tls-verify=false', '--quiet', `docker://${oauth}/apps/skopeo:v1`];
      const token = await doors.token();
      await assert.rejects(
        async () => await skopeo('copy', '--src-creds', creds, ...plain, `dir:${path}/1`),
        refused,
      );
      await skopeo('copy', '--src-registry-token', token, ...plain, `dir:${path}/2`);
      const { layers } = JSON.parse(await readFile(join(path, '2/manifest.json'), 'utf8')) as {
        layers: readonly { digest: string }[];
      };
      assert.equal(layers.length, 1);
    });

    it('podman: logs in by TLS, pushes and pulls; nobody logs in where tokens alone are taken', async () => {
      const { basic, oauth } = doors.hosts;
      await doors.wait();
      const podman = async (...args: readonly string[]): Promise<string> =>
        await command(programOf('podman'), [...ownStore(path), ...args]);
      const authfile = ['--authfile', join(path, 'podman.json')];
      const trusting = [...authfile, '--cert-dir', join(path, 'certs')];
      const policy = join(path, 'policy.json');
      await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
      const login = ['login', '-u', user.name, '-p'];
      await assert.rejects(async () => await podman(...login, 'wrong', ...trusting, basic), refused);
      await assert.rejects(
        async () => await podman(...login, user.password, ...authfile, '--tls-verify=false', oauth),
        refused,
      );
      await podman(...login, user.password, ...trusting, basic);
      const layer = await makeLayer(path, 'podman', 50_000);
      await podman('import', '--signature-policy', policy, layer, 'localhost/made:v1');
      const name = `${basic}/apps/podman:v1`;
      await podman('push', '--signature-policy', policy, ...trusting, 'localhost/made:v1', name);
      await podman('pull', '--signature-policy', policy, ...trusting, name);
    });

    it('crane: a program pushes and pulls with its token; the sixteenth request of its minute is refused, counted by the seed’s keys', async () => {
      const { oauth } = doors.hosts;
      const token = await doors.token();
      const layer = await makeLayer(path, 'crane', 50_000);
      const name = `${oauth}/apps/crane:v1`;
      await doors.wait();
      const push = ['append', '--oci-empty-base', '-f', layer, '-t', name];
      await assert.rejects(async () => await crane(undefined, ...push), refused);
      await doors.wait();
      await crane(token, ...push);
      await doors.wait();
      assert.match(await crane(token, 'digest', name), /^sha256:/);
      const key = `${program.id}|${doors.minute()}`;
      const { count = 0, left = 0 } = (await doors.redis.counts()).get(key) ?? {};
      assert.ok(count > 0 && count < 15, `${count}`);
      assert.ok(left > 0 && left <= 59, `${left}`);
      const headers = { authorization: `Bearer ${token}` };
      const statuses: number[] = [];
      for (let at = count; at < 16; at += 1)
        statuses.push((await asked(`http://${oauth}/v2/`, { headers })).status);
      assert.deepEqual(statuses, [...Array.from({ length: 15 - count }, () => 200), 429]);
      // crane would try again for seconds.
      const { body } = await asked(`http://${oauth}/v2/apps/crane/manifests/v1`, { headers });
      assert.partialDeepStrictEqual(body, { errors: [{ code: 'TOOMANYREQUESTS' }] });
      // Whoever is not known is counted by his address, and nobody else is.
      const keys = [...(await doors.redis.counts()).keys()];
      assert.deepEqual(
        keys.filter((one) => !/^(000000|127\.0\.0\.1)\|\d{1,2}$/.test(one)),
        [],
      );
      const [increments = 0, expiries, scripts] = await doors.redis.timesOf('incr', 'expire', 'eval');
      assert.ok(increments > 15);
      assert.deepEqual([expiries, scripts], [increments, 0]);
      await doors.wait();
      assert.match(await crane(token, 'digest', name), /^sha256:/);
    });

    it('gives an index file to whoever asks, and nothing that lies above it', async () => {
      await writeFile(join(doors.indexes, 'index.yaml'), '- name: triage\n');
      const files = `http://${doors.hosts.files}`;
      assert.equal(await (await fetch(`${files}/index.yaml`)).text(), '- name: triage\n');
      for (const path of ['/../htpasswd', '/..%2fhtpasswd', '/%2e%2e/htpasswd', '/none.yaml'])
        assert.equal((await fetch(files + path)).status, 404, path);
    });

    it('has the same content at both doors of the registry', async () => {
      await doors.wait();
      const token = await doors.token();
      const name = `${doors.hosts.oauth}/apps/both:v1`;
      const layer = await makeLayer(path, 'both', 50_000);
      await crane(token, 'append', '--oci-empty-base', '-f', layer, '-t', name);
      const raw = await skopeo(
        ...[
          'inspect',
          '--raw',
          '--cert-dir',
          join(path, 'certs'),
          '--creds',
          `${user.name}:${user.password}`,
        ],
        `docker://${doors.hosts.basic}/apps/both:v1`,
      );
      await doors.wait();
      assert.equal(raw.trim(), (await crane(token, 'manifest', name)).trim());
    });
  },
);
