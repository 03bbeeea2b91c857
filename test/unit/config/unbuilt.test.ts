import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadText, problemsOf } from '#test/fakes/config-text.ts';

describe('a key whose feature is not built', () => {
  it('is named in one warning, with all others', async () => {
    const { warnings } = await loadText(
      `
registries:
  - name: a.io
cache: { maxSize: 10GiB }
server: { workers: auto }
`,
      { flags: { helloWorld: true } },
    );
    const named = ['--hello-world', 'server.workers'];
    assert.equal(warnings.length, 1);
    const [, names = ''] =
      /^not available in this version yet, and ignored: (.*)$/.exec(warnings[0] ?? '') ?? [];
    assert.deepEqual(names.split(', ').sort(), named.sort());
  });

  it('is no matter when it says what is so anyway, or says nothing', async () => {
    const { warnings } = await loadText(`
os: linux
arch: arm64
configFile: config.yaml
helloWorld: no
preloadImages: ""
pruneConfig: { enabled: false, duration: 10d, count: 5 }
listConfig: { header: false }
trustedProxies: []
notifications:
upstream: { noProxy: [] }
cache: { scrub: 0, verifyOnRead: changed }
server: { workers: 1 }
registries: [{ name: a.io, opts: { a: 1 }, endpoints: [], auth: { token: { expiry: 12h } } }]
storage: { blobs: { kind: file }, metadata: { kind: sqlite }, coordination: { kind: process } }
admin: {}
policy: []
hosted: []
listeners: []
`);
    assert.deepEqual(warnings, []);
  });

  it('stops the start where data would go elsewhere: storage', async () => {
    for (const [key, value] of [
      ['blobs', '{ kind: s3, bucket: b }'],
      ['metadata', '{ kind: postgres, urlFromEnv: DATABASE_URL }'],
    ])
      assert.deepEqual(await problemsOf(`storage: { ${key}: ${value} }`), [
        `config.yaml:1:12: storage.${key}: not available in this version yet, and not safe to ignore: take it out, the server does not start with it`,
      ]);
  });
});

describe('a listener', () => {
  it('serves files, from a directory, at a port of its own', async () => {
    const { config, warnings } = await loadText('listeners: [{ port: 8000, serve: files, directory: i }]');
    assert.deepEqual(warnings, []);
    assert.deepEqual(config.listeners, [{ host: '0.0.0.0', port: 8000, serve: 'files', directory: 'i' }]);
    assert.deepEqual(await problemsOf('listeners: [{ port: 8000, serve: files }]'), [
      'config.yaml:1:34: listeners[0].serve: files needs directory',
    ]);
    assert.deepEqual(
      await problemsOf('port: 8000\nlisteners: [{ port: 8000, serve: files, directory: i }]'),
      ['config.yaml:2:21: listeners[0].port: 8000 is the same port as that of port'],
    );
    const apart =
      'host: 10.0.0.1\nport: 8000\nlisteners: [{ host: 127.0.0.1, port: 8000, serve: files, directory: i }]';
    assert.deepEqual(await problemsOf(apart), []);
  });

  it('serves the registry once more, with a limit of its own', async () => {
    const { config, warnings } = await loadText(
      'listeners: [{ port: 6000, serve: registry, rateLimit: { requests: 15, per: 1m, window: fixed } }]',
    );
    assert.deepEqual(warnings, []);
    const rateLimit = {
      ...{ requests: 15, per: 60_000, window: 'fixed', by: 'client', onStoreError: 'allow' },
    };
    assert.deepEqual(config.listeners, [
      { host: '0.0.0.0', port: 6000, serve: 'registry', directory: '', rateLimit },
    ]);
  });

  it('takes what somebody can have, and serves tokens where there are some', async () => {
    const basic = 'auth: { basic: { htpasswdFile: f } }\n';
    const problems = async (listener: string): Promise<readonly string[]> =>
      await problemsOf(`${basic}listeners: [{ port: 8000, ${listener} }]`);
    assert.deepEqual(await problems('serve: registry, auth: [basic]'), []);
    assert.deepEqual(await problems('serve: registry, auth: []'), []);
    assert.deepEqual(await problems('serve: registry, auth: [basic, oauth, issuers]'), [
      'config.yaml:2:58: listeners[0].auth[1]: needs auth.oauth',
      'config.yaml:2:65: listeners[0].auth[2]: needs auth.issuers',
    ]);
    assert.deepEqual(
      await problemsOf('auth: { basic: { htpasswdFile: f }, atPort: [basic, tokenService, issuers] }'),
      [
        'config.yaml:1:53: auth.atPort[1]: needs auth.tokenService',
        'config.yaml:1:67: auth.atPort[2]: needs auth.issuers',
      ],
    );
    for (const atPort of ['[basic]', '[]'])
      assert.deepEqual(await problemsOf(`auth: { basic: { htpasswdFile: f }, atPort: ${atPort} }`), []);
    assert.deepEqual(await problems('serve: token'), [
      'config.yaml:2:34: listeners[0].serve: token needs auth.tokenService or auth.oauth',
    ]);
    assert.deepEqual(await problems('serve: files, directory: i, auth: [basic]'), [
      'config.yaml:2:61: listeners[0].auth: files are given to whoever asks: this would keep nobody out',
    ]);
    assert.deepEqual(await problems('serve: files, directory: i, rateLimit: { requests: 1, per: 1m }'), [
      'config.yaml:2:66: listeners[0].rateLimit: files are given to whoever asks: this would keep nobody out',
    ]);
  });

  it('asks for certificates as the first one does', async () => {
    const door = (tls: string): string =>
      `listeners: [{ port: 8443, serve: registry, tls: { cert: c, key: k${tls} } }]`;
    assert.deepEqual(await problemsOf(door(', ca: a, clientAuth: verify')), []);
    assert.deepEqual(await problemsOf(door(', clientAuth: verify')), [
      'config.yaml:1:80: listeners[0].tls.clientAuth: verify needs ca',
    ]);
    const { warnings } = await loadText(door(', ca: a'));
    assert.deepEqual(warnings, [
      'listeners[0].tls.ca has no effect without clientAuth: verify; everyone who reaches the port may pull',
    ]);
  });

  it('of tokens gives those of a kind that it takes', async () => {
    const oauth =
      'auth: { oauth: { clients: [], signing: { algorithm: ES256 } }, basic: { htpasswdFile: f } }\n';
    assert.deepEqual(await problemsOf(`${oauth}listeners: [{ port: 8000, serve: token }]`), []);
    assert.deepEqual(await problemsOf(`${oauth}listeners: [{ port: 8000, serve: token, auth: [basic] }]`), [
      'config.yaml:2:34: listeners[0].serve: token needs auth.tokenService or auth.oauth',
    ]);
  });
});

describe('notifications', () => {
  it('need a secret where others may tell us, and each endpoint once', async () => {
    assert.deepEqual(await problemsOf('notifications: { incoming: { do: prefetch } }'), [
      'config.yaml:1:28: notifications.incoming: needs secretFromEnv or secretFile',
    ]);
    assert.deepEqual(
      await problemsOf('notifications: { endpoints: [{ url: "http://a" }, { url: "http://a" }] }'),
      ['config.yaml:1:58: notifications.endpoints[1].url: is there twice'],
    );
    for (const url of ['ftp://a', 'http://u:p@a/', 'http://a/#f', 'a?b'])
      assert.deepEqual(await problemsOf(`notifications: { endpoints: [{ url: "${url}" }] }`), [
        'config.yaml:1:37: notifications.endpoints[0].url: must be an http or https URL without user and fragment',
      ]);
    const { config } = await loadText('notifications: { endpoints: [{ url: "http://a/x?ns=b:1" }] }');
    assert.deepEqual(config.notifications.endpoints[0]?.events, [
      ...['push', 'delete', 'mount', 'fill', 'evict', 'moved', 'gone'],
    ]);
  });
});

describe('the whole shape of what is to come', () => {
  it('is accepted and checked', async () => {
    const problems = await problemsOf(
      `
trustedProxies: [10.0.0.0/8, "::1", "fd00::/8"]
cache: { maxSize: 200GiB, minFree: 5%, pinned: ["registry.k8s.io/**"], verifyOnRead: always, scrub: 30d }
upstream: { noProxy: [internal] }
notifications:
  endpoints: [{ url: "https://a.io/hook", events: [push, pull, delete, mount, fill, evict, moved, gone], timeout: 3s }]
  incoming: { secretFromEnv: SECRET, do: prefetch }
catalogSync: { every: 15m, repositories: ["harbor.example.com/apps/*"] }
registries:
  - name: a.io
    auth:
      token: { provider: exec, providerOpts: { command: [docker-credential-x, get], lifetime: 30m }, expiry: 6h }
publicUrl: https://cache.example.com
auth:
  basic: { htpasswdFile: /etc/ociregistry/htpasswd }
  tokenService: { issuer: cache.example.com, service: cache.example.com, expiry: 5m, keyFile: "" }
  oauth:
    clients: [{ id: "000000", secretFromEnv: SECRET, scopes: [my-scope] }]
    signing: { algorithm: HS256, secretFromEnv: SECRET }
    expiry: 2h
  issuers: [{ issuer: "https://idp.example.com", audience: cache, jwksUrl: "https://idp.example.com/keys", algorithms: [RS256, ES256], clockSkew: 30s, subjectClaim: sub, groupsClaim: groups }]
access:
  - { name: ci, who: { group: ci }, repositories: ["apps/**"], actions: [pull, push] }
  - { name: rest, who: anyone, repositories: ["**"], actions: [] }
rateLimit: { requests: 15, per: 1m, window: sliding, by: client, onStoreError: allow }
hosted: [{ repositories: ["test", "apps/**"], open: false, immutableTags: ["v*"], uploadExpiry: 24h }]
listeners:
  - { port: 6000, serve: registry, auth: [oauth], rateLimit: { requests: 15, per: 1m } }
  - { port: 9096, serve: token }
  - { port: 8000, serve: files, directory: ./indexes }
storage:
  blobs: { kind: s3, bucket: b, prefix: p, region: r, endpoint: "https://s3.example.com", redirect: false, localTier: 50GiB }
`,
      { env: { SECRET: 'x' } },
    );
    const storage =
      'not available in this version yet, and not safe to ignore: take it out, the server does not start with it';
    assert.deepEqual(problems, [`config.yaml:32:3: storage.blobs: ${storage}`]);
  });
});
