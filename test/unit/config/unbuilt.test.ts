import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadText, problemsOf } from '#test/fakes/config-text.ts';

describe('a key whose feature is not built', () => {
  it('is named in one warning, with all others', async () => {
    const { warnings } = await loadText(
      `
registries:
  - name: a.io
  - name: b.io
    cache: { minFree: 10GiB }
cache: { maxSize: 10GiB }
server: { workers: auto }
catalogSync: { every: 15m, repositories: [] }
`,
      { flags: { helloWorld: true } },
    );
    const named = ['--hello-world', 'registries[1].cache.minFree', 'server.workers', 'catalogSync'];
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

  const doors: [key: string, value: string][] = [
    ['auth', '{ basic: { htpasswdFile: f } }'],
    ['auth', '{}'],
    ['access', '[]'],
    ['access', '[{ name: nodes, who: { cidr: 10.0.0.0/8 }, repositories: ["**"], actions: [pull] }]'],
    ['policy', '[{ name: no-dev, repositories: ["docker.io/**:*-dev"], effect: deny }]'],
    ['rateLimit', '{ requests: 15, per: 1m }'],
    ['listeners', '[{ port: 5001, serve: registry, tls: { cert: c, key: k }, auth: [basic] }]'],
    ['storage', '{ blobs: { kind: s3, bucket: b } }'],
    ['storage', '{ metadata: { kind: postgres, urlFromEnv: DATABASE_URL } }'],
    ['storage', '{ coordination: { kind: redis, urlFromEnv: REDIS_URL } }'],
  ];
  for (const [key, value] of doors) {
    it(`stops the start where ignoring it would open a door or misplace data: ${key}: ${value}`, async () => {
      assert.deepEqual(await problemsOf(`${key}: ${value}`), [
        `config.yaml:1:1: ${key}: not available in this version yet, and not safe to ignore: take it out, the server does not start with it`,
      ]);
    });
  }
});

describe('the whole shape of what is to come', () => {
  it('is accepted and checked', async () => {
    const problems = await problemsOf(`
trustedProxies: [10.0.0.0/8, "::1", "fd00::/8"]
cache: { maxSize: 200GiB, minFree: 5%, pinned: ["registry.k8s.io/**"], verifyOnRead: always, scrub: 30d }
upstream: { noProxy: [internal] }
notifications:
  endpoints: [{ url: "https://a.io/hook", secretFile: f, events: [push, pull, delete, mount, fill, evict, moved] }]
  incoming: { secretFile: f, do: prefetch }
catalogSync: { every: 15m, repositories: ["harbor.example.com/apps/*"] }
registries:
  - name: a.io
    auth:
      token: { provider: exec, providerOpts: { command: [docker-credential-x, get], lifetime: 30m }, expiry: 6h }
auth:
  basic: { htpasswdFile: /etc/ociregistry/htpasswd }
  tokenService: { issuer: cache.example.com, service: cache.example.com, expiry: 5m, keyFile: "" }
  oauth:
    clients: [{ id: "000000", secretFile: f, scopes: [my-scope] }]
    signing: { algorithm: HS256, secretFile: f }
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
`);
    const keys = problems.map(
      (problem) => /^config.yaml:\d+:\d+: (\w+): not available/.exec(problem)?.[1] ?? problem,
    );
    assert.deepEqual(keys, ['auth', 'access', 'rateLimit', 'listeners', 'storage']);
  });
});
