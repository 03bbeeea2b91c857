import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bytes } from '#test/fakes/images.ts';
import { password, tokenApp } from '#test/fakes/token-app.ts';
import { type FourDoors, fourDoors, user } from '../e2e/support/four-doors.ts';
import { freePort } from '../e2e/support/free-port.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs } from '../setup/needs.ts';
import { inFolder } from './in-folder.ts';

const refused = /denied|unauthorized|authentication required|credential not found|40[1345]/i;
const plain = '--plain-http';
const content = Buffer.from(bytes(300_000, 3));
const access = [
  { name: 'alice', who: { user: 'alice' }, repositories: ['team/a', 'open/a'], actions: ['pull', 'push'] },
  { name: 'open', who: 'anyone', repositories: ['open/*'], actions: ['pull'] },
];

/** A folder with a file to push, and oras in it for whoever has his credentials there. */
async function orasIn(folder: string) {
  await mkdir(join(folder, 'nobody'), { recursive: true });
  for (const one of [folder, join(folder, 'nobody')]) await writeFile(join(one, 'file'), content);
  return { known: inFolder('oras', folder), nobody: inFolder('oras', join(folder, 'nobody')) };
}

describe('oras behind rules', needs('oras'), () => {
  for (const [kind, auth] of [
    ['passwords', { tokenService: undefined }],
    ['tokens', {}],
  ] as const)
    it(`logs in, pushes, attaches and pulls what it may, by ${kind}`, async () => {
      await using stack = new AsyncDisposableStack();
      const { path } = stack.use(await temporaryDirectory());
      const port = await freePort();
      const hosted = [{ repositories: ['team/*', 'open/*'] }];
      const more = { port, publicUrl: `http://127.0.0.1:${port}`, hosted, access };
      const host = new URL(stack.use(await tokenApp(auth, { more })).url).host;
      const { known, nobody } = await orasIn(path);
      const login = async (typed: string): Promise<string> =>
        await known('login', plain, '-u', 'alice', '-p', typed, host);
      await assert.rejects(async () => await login('wrong'), refused);
      await assert.rejects(async () => await nobody('push', plain, `${host}/team/a:v1`, 'file'), refused);
      await login(password);
      for (const name of ['team/a', 'open/a']) {
        await known('push', plain, `${host}/${name}:v1`, 'file');
        await known(
          'attach',
          plain,
          '--artifact-type',
          'application/vnd.test.sbom',
          `${host}/${name}:v1`,
          'file',
        );
      }
      await assert.rejects(async () => await known('push', plain, `${host}/team/b:v1`, 'file'), refused);
      await assert.rejects(
        async () =>
          await known('cp', '--from-plain-http', '--to-plain-http', `${host}/team/a:v1`, `${host}/team/b:v1`),
        refused,
      );
      assert.match(
        await nobody('discover', plain, '--format', 'json', `${host}/open/a:v1`),
        /vnd\.test\.sbom/,
      );
      for (const command of ['discover', 'resolve'])
        await assert.rejects(async () => await nobody(command, plain, `${host}/team/a:v1`), refused);
      await known('pull', plain, `${host}/team/a:v1`, '-o', 'pulled');
      assert.deepEqual(await readFile(join(path, 'pulled/file')), content);
      // oras shows what it has to whoever asks for it, and nobody is asked for the catalogue of what is open.
      const listed = (await known('repo', 'ls', plain, host)).split('\n').filter(Boolean);
      assert.deepEqual(listed, ['open/a']);
      await known('logout', host);
      await assert.rejects(
        async () => await known('pull', plain, `${host}/team/a:v1`, '-o', 'none'),
        refused,
      );
    });
});

describe('oras at the four doors of the seed', needs('oras', 'redis-server'), () => {
  const resources = new AsyncDisposableStack();
  let doors: FourDoors;
  let path: string;
  before(async () => {
    doors = resources.use(await fourDoors());
    ({ path } = resources.use(await temporaryDirectory()));
  });
  after(async () => await resources.disposeAsync());

  it('pushes as a user by TLS, and pulls as a program with a token', async () => {
    const { basic, oauth } = doors.hosts;
    const { known, nobody } = await orasIn(path);
    const trusting = ['--ca-file', doors.caFile];
    await known('login', ...trusting, '-u', user.name, '-p', user.password, basic);
    await known('push', ...trusting, `${basic}/apps/oras:v1`, 'file');
    await doors.wait();
    await assert.rejects(
      async () => await nobody('pull', plain, `${oauth}/apps/oras:v1`, '-o', 'none'),
      refused,
    );
    const auths = { [oauth]: { registrytoken: await doors.token() } };
    await writeFile(join(path, 'nobody/config.json'), JSON.stringify({ auths }));
    await doors.wait();
    await nobody('pull', plain, `${oauth}/apps/oras:v1`, '-o', 'pulled');
    assert.deepEqual(await readFile(join(path, 'nobody/pulled/file')), content);
  });
});
