import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { entriesFor, entryOf, serverUrlOf } from '#src/credentials/providers/docker-config.ts';
import { DockerConfigCredentials } from '#src/credentials/providers/docker-config-credentials.ts';
import { parseRegistryHost } from '#src/oci/reference.ts';
import { providerSettings } from '#test/fakes/provider-settings.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const auth = (user: string) => ({ auth: Buffer.from(`${user}:p:w`).toString('base64') });

/** Who we are at a repository by these keys: the user is the key. */
function userAt(repository: string, ...keys: string[]): string | undefined {
  const auths = Object.fromEntries(keys.map((key) => [key, auth(key.replaceAll(':', ';'))]));
  const found = entry({ auths }, repository);
  return found !== undefined && 'credential' in found && found.credential.kind === 'basic'
    ? found.credential.username.replaceAll(';', ':')
    : undefined;
}

function entry(config: unknown, repository = 'ghcr.io') {
  const [host = '', ...path] = repository.split('/');
  const entries = entriesFor(parseRegistryHost(host), JSON.stringify(config));
  return entryOf(entries, path.join('/'))?.source;
}

describe('the entry of a registry in Docker’s configuration', () => {
  const matches: [host: string, ...keys: string[]][] = [
    ['ghcr.io', 'ghcr.io'],
    ['ghcr.io', 'https://ghcr.io'],
    ['ghcr.io', 'http://GHCR.io/v2/'],
    ['ghcr.io:8443', 'ghcr.io:8443'],
    ['docker.io', 'https://index.docker.io/v1/'],
    ['docker.io', 'docker.io'],
    ['docker.io', 'registry-1.docker.io'],
    ['x.azurecr.io', '*.azurecr.io'],
    ['1.dkr.ecr.eu-west-1.amazonaws.com', '*.dkr.ecr.*.amazonaws.com'],
    ['quay.io/org/app', 'quay.io/org'],
    ['quay.io/org/app', 'quay.io/org/app'],
    ['quay.io/org/app', 'https://quay.io/v2/'],
    ['docker.io/library/alpine', 'docker.io/library'],
    ['a.azurecr.io/team/app', '*.azurecr.io/team/'],
  ];
  for (const [host, ...keys] of matches) {
    it(`is that of ${keys.join()} for ${host}`, () => assert.equal(userAt(host, ...keys), keys[0]));
  }

  const misses: [host: string, key: string][] = [
    ['ghcr.io', 'ghcr.io:443'],
    ['ghcr.io:8443', 'ghcr.io'],
    ['ghcr.io', 'xghcr.io'],
    ['ghcr.io', 'ghcrxio'],
    ['a.b.azurecr.io', '*.azurecr.io'],
    ['azurecr.io', '*.azurecr.io'],
    ['x.azurecr.io:5000', '*.azurecr.io'],
    ['xazurecr.io', '*.azurecr.io'],
    ['docker.io', 'hub.docker.com'],
    ['quay.io', 'quay.io/org'],
    ['quay.io/organization/app', 'quay.io/org'],
    ['quay.io/other/org', 'quay.io/org'],
    ['quay.io/org', 'quay.io/org/app'],
  ];
  for (const [host, key] of misses) {
    it(`is not that of ${key} for ${host}`, () => assert.equal(userAt(host, key), undefined));
  }

  it('is for each repository the one that says most about it', () => {
    const keys = [
      '*.azurecr.io/team/app',
      '*.*.io',
      '*.azurecr.io',
      'x.azurecr.io',
      'x.azurecr.io/team',
      'x.azurecr.io/team/app',
    ];
    assert.equal(userAt('x.azurecr.io', ...keys), 'x.azurecr.io');
    assert.equal(userAt('x.azurecr.io/teams/app', ...keys), 'x.azurecr.io');
    assert.equal(userAt('x.azurecr.io/team/other', ...keys), 'x.azurecr.io/team');
    assert.equal(userAt('x.azurecr.io/team/app', ...keys), 'x.azurecr.io/team/app');
    assert.equal(userAt('x.azurecr.io/team/app/part', ...keys), 'x.azurecr.io/team/app');
    assert.equal(userAt('y.azurecr.io/team/app', ...keys), '*.azurecr.io/team/app');
    assert.equal(userAt('y.azurecr.io/other', ...keys), '*.azurecr.io');
    assert.equal(userAt('y.example.io/other', ...keys), '*.*.io');
  });

  it('is found in time whatever the pattern', () => {
    const host = `${'a'.repeat(60)}.${'a'.repeat(60)}.io`;
    assert.equal(userAt(host, `${'*'.repeat(40)}.${'*a'.repeat(5)}b.io`), undefined);
  });

  it('may be user and password, a refresh token, or a ready token', () => {
    const basic = { kind: 'basic', username: 'u', password: 'p:w' };
    assert.deepEqual(entry({ auths: { 'ghcr.io': auth('u') } }), { credential: basic });
    assert.deepEqual(entry({ auths: { 'ghcr.io': { username: 'u', password: 'p:w' } } }), {
      credential: basic,
    });
    assert.deepEqual(entry({ auths: { 'ghcr.io': { ...auth('u'), identitytoken: 't' } } }), {
      credential: { kind: 'refresh', token: 't' },
    });
    assert.deepEqual(entry({ auths: { 'ghcr.io': { registrytoken: 't' } } }), {
      credential: { kind: 'static', authorization: 'Bearer t' },
    });
    assert.equal(entry({ auths: { 'ghcr.io': {} } }), undefined);
    assert.equal(entry({ auths: { 'ghcr.io': { auth: '' } } }), undefined);
  });

  it('may be a helper: its own, else the one for all', () => {
    const config = { credsStore: 'all', credHelpers: { 'ghcr.io': 'own' }, auths: { 'ghcr.io': auth('u') } };
    assert.deepEqual(entry(config), { helper: 'own', serverUrl: 'ghcr.io' });
    assert.deepEqual(entry(config, 'quay.io'), { helper: 'all', serverUrl: 'quay.io' });
    assert.deepEqual(entry(config, 'docker.io'), { helper: 'all', serverUrl: 'https://index.docker.io/v1/' });
    assert.deepEqual(entry({ credHelpers: { 'ghcr.io': '../../bin/sh' } }), undefined);
  });

  it('may be a helper for a part of a registry, which is asked for that part', () => {
    const config = { credHelpers: { 'ghcr.io/team': 'own' }, auths: { 'ghcr.io': auth('u') } };
    assert.deepEqual(entry(config, 'ghcr.io/team/app'), { helper: 'own', serverUrl: 'ghcr.io/team' });
    assert.ok('credential' in (entry(config, 'ghcr.io/app') ?? {}));
  });

  it('is found in the old form of pull secrets', () => {
    const expected = { credential: { kind: 'basic', username: 'u', password: 'p:w' } };
    assert.deepEqual(entry({ 'ghcr.io': auth('u') }), expected);
  });

  it('is none where there is nothing', () => {
    assert.equal(entry({}), undefined);
    assert.equal(entry({ auths: null }), undefined);
    assert.throws(() => entriesFor(parseRegistryHost('ghcr.io'), '[]'));
  });
});

describe('repositories with credentials of their own', () => {
  const ofApp = auth('app');
  const config = (team: object) =>
    JSON.stringify({ auths: { 'registry.example.com/team': team, 'registry.example.com/app': ofApp } });

  async function open(text: string) {
    const directory = await temporaryDirectory();
    const path = join(directory.path, 'config.json');
    await writeFile(path, text);
    const settings = providerSettings();
    const provider = new DockerConfigCredentials({ ...settings, path });
    return {
      provider,
      path,
      clock: settings.clock,
      [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
    };
  }

  async function usersAt(provider: DockerConfigCredentials, ...repositories: string[]) {
    return await Promise.all(
      repositories.map(async (repository) => {
        const { credential } = await (await provider.of(repository)).get();
        return credential.kind === 'basic' ? credential.username : credential.kind;
      }),
    );
  }

  it('are one identity for each entry, and nobody where there is none', async () => {
    await using test = await open(config(auth('team')));
    const { provider } = test;
    assert.deepEqual(await usersAt(provider, 'team/a', 'team/b', 'app', 'other'), [
      'team',
      'team',
      'app',
      'anonymous',
    ]);
    assert.equal(await provider.of('team/a'), await provider.of('team/b'));
    assert.notEqual(await provider.of('team/a'), await provider.of('app'));
    assert.deepEqual((await provider.get()).credential, { kind: 'anonymous' });
  });

  it('follow the file, each for itself', async () => {
    await using test = await open(config(auth('team')));
    const { provider } = test;
    const [team, app] = [await provider.of('team/a'), await provider.of('app')];
    const refused = [(await team.get()).credential, (await app.get()).credential] as const;
    await writeFile(test.path, config(auth('new-team')));
    assert.equal(await team.renew?.(refused[0]), true);
    assert.equal(await app.renew?.(refused[1]), false);
    assert.equal(await provider.of('team/a'), team);
    assert.deepEqual(await usersAt(provider, 'team/a', 'app'), ['new-team', 'app']);
    await writeFile(test.path, '{}');
    await test.clock.advance(5000);
    assert.deepEqual((await team.get()).credential, { kind: 'anonymous' });
  });
});

describe('what a helper is asked for', () => {
  it('is the host, and for Docker Hub the URL that Docker has for it', () => {
    assert.equal(serverUrlOf(parseRegistryHost('ghcr.io')), 'ghcr.io');
    assert.equal(serverUrlOf(parseRegistryHost('docker.io')), 'https://index.docker.io/v1/');
  });
});
