import assert from 'node:assert/strict';
import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DockerConfigCredentials } from '#src/credentials/providers/docker-config-credentials.ts';
import { WatchedFile } from '#src/credentials/providers/watched-file.ts';
import { RegistryError } from '#src/oci/error.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { providerSettings } from '#test/fakes/provider-settings.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

async function watched() {
  const directory = await temporaryDirectory();
  const path = join(directory.path, 'file');
  const clock = new FakeClock();
  const log = new LogLines();
  let reads = 0;
  const hang = Promise.withResolvers<void>();
  const parse = async (text: string) => {
    reads += 1;
    if (text.startsWith('hangs')) await hang.promise;
    if (text.startsWith('broken')) throw new RegistryError('DENIED', 'broken');
    return { text };
  };
  const file = new WatchedFile({
    who: 'test',
    paths: [join(directory.path, 'absent'), path],
    parse,
    clock,
    log,
  });
  return {
    path,
    clock,
    log,
    file,
    answer: () => hang.resolve(),
    write: async (text: string) => await writeFile(path, text),
    get reads() {
      return reads;
    },
    [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
  };
}

describe('a file that is watched', () => {
  it('is read when it is wanted, and again only after it has changed', async () => {
    await using test = await watched();
    await test.write('one');
    const first = await test.file.get();
    await test.clock.advance(60_000);
    assert.equal(await test.file.get(), first);
    assert.equal(test.reads, 1);
    await test.write('two!');
    assert.equal(await test.file.get(), first);
    await test.clock.advance(5000);
    assert.deepEqual(await test.file.get(), { text: 'two!' });
  });

  it('is seen to have changed by another file of the same length and time at its place', async () => {
    await using test = await watched();
    await test.write('one');
    await utimes(test.path, 1, 1);
    await test.file.get();
    await writeFile(`${test.path}.new`, 'two');
    await utimes(`${test.path}.new`, 1, 1);
    await rename(`${test.path}.new`, test.path);
    assert.deepEqual(await test.file.get({ now: true }), { text: 'two' });
  });

  it('gives the same object when it was written anew with the same content', async () => {
    await using test = await watched();
    await test.write('one');
    const first = await test.file.get();
    await rm(test.path);
    await test.write('one');
    assert.equal(await test.file.get({ now: true }), first);
    assert.equal(test.reads, 2);
  });

  it('says what it said while it is broken or away, with one warning of each', async () => {
    await using test = await watched();
    await test.write('one');
    const first = await test.file.get();
    await test.write('broken');
    for (const _ of [1, 2, 3]) {
      await test.clock.advance(5000);
      assert.equal(await test.file.get(), first);
    }
    await rm(test.path);
    assert.equal(await test.file.get({ now: true }), first);
    assert.equal(test.log.at('warn').length, 2);
    await test.write('three');
    assert.deepEqual(await test.file.get({ now: true }), { text: 'three' });
  });

  it('says what it said while the file system does not answer for it, and nobody waits for that twice', {
    timeout: 10_000,
  }, async () => {
    await using test = await watched();
    await test.write('one');
    const first = await test.file.get();
    await test.write('hangs');
    const waiting = test.file.get({ now: true });
    while (test.reads < 2) await new Promise((resolve) => setImmediate(resolve));
    await test.clock.advance(2000);
    assert.equal(await waiting, first);
    for (const now of [true, false]) {
      await test.clock.advance(5000);
      assert.equal(await test.file.get({ now }), first);
    }
    assert.deepEqual([test.reads, test.log.at('warn').length], [2, 1]);
    test.answer();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await test.file.get(), { text: 'hangs' });
  });

  it('that was never there is an error, until it is', async () => {
    await using test = await watched();
    await assert.rejects(test.file.get(), {
      code: 'DENIED',
      message: /there is no file .*absent" or .*file"/,
    });
    await test.write('one');
    assert.deepEqual(await test.file.get(), { text: 'one' });
  });
});

describe('a pull secret of Kubernetes', () => {
  it('is read again after the swap of ..data', async () => {
    await using directory = await temporaryDirectory();
    const volume = directory.path;
    const put = async (version: string, password: string) => {
      await mkdir(join(volume, version));
      const auths = { 'registry.example.com': { username: 'u', password } };
      await writeFile(join(volume, version, '.dockerconfigjson'), JSON.stringify({ auths }));
      await symlink(version, join(volume, '..data_tmp'));
      await rename(join(volume, '..data_tmp'), join(volume, '..data'));
    };
    await put('..2026_1', 'one');
    await symlink('..data/.dockerconfigjson', join(volume, '.dockerconfigjson'));
    const settings = providerSettings();
    const provider = new DockerConfigCredentials({ ...settings, path: volume });
    const password = async () => {
      const { credential } = await provider.get();
      return credential.kind === 'basic' ? credential.password : credential.kind;
    };
    assert.equal(await password(), 'one');
    await put('..2026_2', 'two');
    assert.equal(await password(), 'one');
    await settings.clock.advance(5000);
    assert.equal(await password(), 'two');
  });

  it('without the registry leaves it anonymous, and says so', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, 'config.json'), '{"auths":{}}');
    const settings = providerSettings();
    const provider = new DockerConfigCredentials({ ...settings, path: directory.path });
    assert.deepEqual((await provider.get()).credential, { kind: 'anonymous' });
    assert.match(settings.log.at('warn').join(), /no entry for registry.example.com/);
  });
});

describe('the configuration of Docker, Podman and their kin', () => {
  const places: [what: string, path: string, env: (home: string) => NodeJS.ProcessEnv][] = [
    ['DOCKER_CONFIG', 'd/config.json', (home) => ({ DOCKER_CONFIG: join(home, 'd') })],
    ['the home directory', '.docker/config.json', () => ({})],
    ['REGISTRY_AUTH_FILE', 'a.json', (home) => ({ REGISTRY_AUTH_FILE: join(home, 'a.json') })],
    ['XDG_RUNTIME_DIR', 'r/containers/auth.json', (home) => ({ XDG_RUNTIME_DIR: join(home, 'r') })],
    ['the home directory of Podman', '.config/containers/auth.json', () => ({})],
  ];
  for (const [what, path, env] of places) {
    it(`is found by ${what}`, async () => {
      await using directory = await temporaryDirectory();
      const file = join(directory.path, path);
      await mkdir(join(file, '..'), { recursive: true });
      await writeFile(file, JSON.stringify({ auths: { 'registry.example.com': { registrytoken: 't' } } }));
      const provider = new DockerConfigCredentials(
        providerSettings({ env: { HOME: directory.path, ...env(directory.path) } }),
      );
      assert.equal((await provider.get()).credential.kind, 'static');
    });
  }
});
