import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRegistryHost } from '#src/oci/reference.ts';
import { entryFor, serverUrlOf } from '#src/upstream/auth/providers/docker-config.ts';

const auth = (user: string) => ({ auth: Buffer.from(`${user}:p:w`).toString('base64') });

/** Who we are at the host by these keys: the user is the key. */
function userAt(host: string, ...keys: string[]): string | undefined {
  const auths = Object.fromEntries(keys.map((key) => [key, auth(key.replaceAll(':', ';'))]));
  const entry = entryFor(parseRegistryHost(host), JSON.stringify({ auths }));
  return entry !== undefined && 'credential' in entry && entry.credential.kind === 'basic'
    ? entry.credential.username.replaceAll(';', ':')
    : undefined;
}

function entry(config: unknown, host = 'ghcr.io') {
  return entryFor(parseRegistryHost(host), JSON.stringify(config));
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
    ['quay.io', 'quay.io/org'],
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
  ];
  for (const [host, key] of misses) {
    it(`is not that of ${key} for ${host}`, () => assert.equal(userAt(host, key), undefined));
  }

  it('is the one that says most about the registry', () => {
    assert.equal(userAt('x.azurecr.io', '*.azurecr.io', 'x.azurecr.io/a', 'x.azurecr.io'), 'x.azurecr.io');
    assert.equal(userAt('x.azurecr.io', '*.azurecr.io', 'x.azurecr.io/a'), 'x.azurecr.io/a');
    assert.equal(userAt('x.azurecr.io', '*.*.io', '*.azurecr.io'), '*.azurecr.io');
  });

  it('is found in time whatever the pattern', () => {
    const host = `${'a'.repeat(60)}.${'a'.repeat(60)}.io`;
    assert.equal(userAt(host, `${'*'.repeat(40)}.${'*a'.repeat(5)}b.io`), undefined);
  });

  it('may be user and password, a refresh token, or a ready token', () => {
    const basic = { kind: 'basic', username: 'u', password: 'p:w' };
    assert.deepEqual(entry({ auths: { 'ghcr.io': auth('u') } }), { key: 'ghcr.io', credential: basic });
    assert.deepEqual(entry({ auths: { 'ghcr.io': { username: 'u', password: 'p:w' } } }), {
      key: 'ghcr.io',
      credential: basic,
    });
    assert.deepEqual(entry({ auths: { 'ghcr.io': { ...auth('u'), identitytoken: 't' } } }), {
      key: 'ghcr.io',
      credential: { kind: 'refresh', token: 't' },
    });
    assert.deepEqual(entry({ auths: { 'ghcr.io': { registrytoken: 't' } } }), {
      key: 'ghcr.io',
      credential: { kind: 'static', authorization: 'Bearer t' },
    });
    assert.equal(entry({ auths: { 'ghcr.io': {} } }), undefined);
    assert.equal(entry({ auths: { 'ghcr.io': { auth: '' } } }), undefined);
  });

  it('may be a helper: its own, else the one for all', () => {
    const config = { credsStore: 'all', credHelpers: { 'ghcr.io': 'own' }, auths: { 'ghcr.io': auth('u') } };
    assert.deepEqual(entry(config), { key: 'ghcr.io', helper: 'own' });
    assert.deepEqual(entry(config, 'quay.io'), { key: 'credsStore', helper: 'all' });
    assert.deepEqual(entry({ credHelpers: { 'ghcr.io': '../../bin/sh' } }), undefined);
  });

  it('is found in the old form of pull secrets', () => {
    const expected = { key: 'ghcr.io', credential: { kind: 'basic', username: 'u', password: 'p:w' } };
    assert.deepEqual(entry({ 'ghcr.io': auth('u') }), expected);
  });

  it('is none where there is nothing', () => {
    assert.equal(entry({}), undefined);
    assert.equal(entry({ auths: null }), undefined);
    assert.throws(() => entryFor(parseRegistryHost('ghcr.io'), '[]'));
  });
});

describe('what a helper is asked for', () => {
  it('is the host, and for Docker Hub the URL that Docker has for it', () => {
    assert.equal(serverUrlOf(parseRegistryHost('ghcr.io')), 'ghcr.io');
    assert.equal(serverUrlOf(parseRegistryHost('docker.io')), 'https://index.docker.io/v1/');
  });
});
