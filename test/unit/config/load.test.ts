import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { ConfigError } from '#src/config/config-error.ts';
import { loadConfig } from '#src/config/load.ts';
import { configSchema } from '#src/config/schema.ts';
import { loadText, problemsOf } from '#test/fakes/config-text.ts';
import { repetitions } from '#test/setup/repetitions.ts';

describe('a configuration', () => {
  it('needs no file: all is default', async () => {
    const { config, warnings, file } = await loadConfig({ flags: {}, env: {} });
    assert.deepEqual(
      [config.imagePath, config.port, config.logLevel, config.pullTimeout],
      ['/var/lib/ociregistry', 8080, 'error', 60_000],
    );
    assert.deepEqual(
      [config.cache.freshness, config.upstream.connectTimeout, config.server.drainTimeout],
      ['immutable', 10_000, 60_000],
    );
    assert.deepEqual([warnings, file], [[], undefined]);
  });

  it('may be an empty file, or have keys without values', async () => {
    for (const text of ['', '# nothing\n', '---\n', 'registries:\ncache:\nport:\nlogLevel: ~\n']) {
      const { config } = await loadText(text);
      assert.deepEqual([config.port, config.registries, config.cache.freshness], [8080, [], 'immutable']);
    }
  });

  it('lets a flag win over the file, and the file over the default, if the flag was given', async () => {
    const text = 'port: 9090\nhost: 127.0.0.1\nairGapped: true\n';
    const { config } = await loadText(text, { flags: { port: 7070, airGapped: false } });
    assert.deepEqual(
      [config.port, config.host, config.airGapped, config.health],
      [7070, '127.0.0.1', false, 0],
    );
  });

  it('means the same as in the original, which reads YAML by yaml.v3', async () => {
    const { config } = await loadText(`
logLevel: INFO
airGapped: yes
alwaysPullLatest: Off
pruneConfig: { duration: 1h30m, dryrun: true }
registries:
  - name: Docker.IO
    scheme: ""
    description: 1.10
    auth: { user: 0755, password: 12345 }
    opts: { anything: [1, 2] }
    tls: { ca: "", cert: "", key: "" }
`);
    const [registry] = config.registries;
    assert.deepEqual([config.logLevel, config.airGapped, config.alwaysPullLatest], ['info', true, false]);
    assert.deepEqual([config.pruneConfig.duration, config.pruneConfig.dryrun], [5_400_000, true]);
    assert.deepEqual(
      [registry?.name, registry?.scheme, registry?.description],
      ['docker.io', 'https', '1.10'],
    );
    assert.deepEqual([registry?.auth.user, registry?.auth.password?.reveal()], ['0755', '12345']);
  });

  it('takes pullTimeout as milliseconds or as a duration', async () => {
    assert.equal((await loadText('pullTimeout: 1500')).config.pullTimeout, 1500);
    assert.equal((await loadText('pullTimeout: 2m')).config.pullTimeout, 120_000);
  });

  it('overrides only the keys that a registry names', async () => {
    const { config } = await loadText(
      'registries: [{ name: ghcr.io, cache: { freshness: 5m, onGone: }, upstream: {} }]',
    );
    const [registry] = config.registries;
    assert.deepEqual([registry?.cache, registry?.upstream], [{ freshness: 300_000 }, {}]);
  });

  it('normalises hosts, realms and the public URL', async () => {
    const { config } = await loadText(`
defaultNs: Docker.io
publicUrl: https://cache.example.com/oci/
registries: [{ name: "Localhost:5000", auth: { trustedRealms: ["Auth.example.com:443", "https://A.example.com/"] } }]
`);
    assert.deepEqual([config.defaultNs, config.publicUrl], ['docker.io', 'https://cache.example.com/oci']);
    const [registry] = config.registries;
    assert.equal(registry?.name, 'localhost:5000');
    assert.deepEqual(registry.auth.trustedRealms, ['auth.example.com', 'https://a.example.com']);
  });

  it('is frozen', async () => {
    const { config } = await loadText('registries: [{ name: ghcr.io }]');
    assert.ok(
      Object.isFrozen(config) && Object.isFrozen(config.cache) && Object.isFrozen(config.registries[0]?.auth),
    );
  });
});

const noAlias = 'aliases are not supported: write out what it stands for';
const noMerge = 'merge keys are not supported: write out what would be merged';

const mistakes: [what: string, yaml: string, ...problems: string[]][] = [
  [
    'a misspelt key, with its place and the key that was meant',
    'port: 1\nregistries:\n  - name: ghcr.io\n    auth:\n      user: u\n      pasword: p\n',
    'config.yaml:6:7: registries[0].auth.pasword: unknown key; did you mean "password"?',
  ],
  [
    'a key in wrong case',
    'loglevel: info',
    'config.yaml:1:1: loglevel: unknown key; did you mean "logLevel"?',
  ],
  ['a key that is like none', 'colour: red', 'config.yaml:1:1: colour: unknown key'],
  ['a key that is unknown and empty', 'colour:', 'config.yaml:1:1: colour: unknown key'],
  ['a key that is no word', '"a b\\n": 1', 'config.yaml:1:1: ["a b\\n"]: unknown key'],
  [
    'a key of every object',
    '__proto__: { port: 1 }\nconstructor: 1',
    'config.yaml:1:1: __proto__: unknown key',
    'config.yaml:2:1: constructor: unknown key',
  ],
  ['a wrong type', 'port: high', 'config.yaml:1:7: port: must be a whole number from 0 to 65535, not "high"'],
  [
    'a number in quotes',
    'port: "80"',
    'config.yaml:1:7: port: must be a whole number from 0 to 65535, not "80"',
  ],
  [
    'a proxy of another kind',
    'upstream: { proxy: "socks5://proxy:1080" }',
    'config.yaml:1:20: upstream.proxy: must be an http or https proxy: SOCKS is not supported',
  ],
  [
    'a proxy without a scheme',
    'registries: [{ name: a.io, upstream: { proxy: "proxy:3128" } }]',
    'config.yaml:1:47: registries[0].upstream.proxy: must be an http or https URL such as http://proxy.example.com:3128',
  ],
  [
    'a URL among what is reached without the proxy',
    'upstream: { noProxy: [a.io, "http://b.io"] }',
    'config.yaml:1:29: upstream.noProxy[1]: must be *, a host, .suffix, an address or a block of addresses, with a port or without',
  ],
  [
    'a mirror with a query, and one that is no URL',
    'registries: [{ name: a.io, endpoints: ["https://b.io?ns=c.io", b.io] }]',
    'config.yaml:1:40: registries[0].endpoints[0]: must be an http or https URL without user, query and fragment',
    'config.yaml:1:64: registries[0].endpoints[1]: must be an http or https URL without user, query and fragment',
  ],
  [
    'a number out of range',
    'health: 1e400',
    'config.yaml:1:9: health: must be a whole number from 0 to 65535, not Infinity',
  ],
  [
    'a wrong word',
    'logLevel: trace',
    'config.yaml:1:11: logLevel: must be debug, info, warn or error, not "trace"',
  ],
  [
    'one port for two',
    'port: 9000\nhealth: 9000',
    'config.yaml:2:9: health: 9000 is the same port as that of port',
  ],
  [
    'the usual port for another',
    'metrics: 8080',
    'config.yaml:1:10: metrics: 8080 is the same port as that of port',
  ],
  ['what is no flag', 'airGapped: maybe', 'config.yaml:1:12: airGapped: must be true or false, not "maybe"'],
  [
    'an administrator without a password',
    'admin: { user: admin }',
    'config.yaml:1:16: admin.user: needs passwordFromEnv or passwordFile',
  ],
  [
    'a password of no administrator',
    'admin: { passwordFromEnv: ADMIN_PASSWORD }',
    'config.yaml:1:27: admin.passwordFromEnv: needs user',
  ],
  [
    'a password of the administrator itself',
    'admin: { user: admin, password: x }',
    'config.yaml:1:33: admin.password: must not stand in the file: use passwordFromEnv or passwordFile',
  ],
  ['a list for a text', 'imagePath: [a]', 'config.yaml:1:12: imagePath: must be text, not a list'],
  ['an empty text', 'imagePath: ""', 'config.yaml:1:12: imagePath: must not be empty'],
  ['a text for a mapping', 'cache: fast', 'config.yaml:1:8: cache: must be a mapping of keys, not text'],
  [
    'a mapping for a list',
    'registries: { name: a }',
    'config.yaml:1:13: registries: must be a list, not a mapping',
  ],
  [
    'an empty item',
    'registries:\n  -',
    'config.yaml:2:4: registries[0]: must be a mapping of keys, not nothing',
  ],
  ['a file that is a list', '- a', 'config.yaml:1:1: must be a mapping of keys, not a list'],
  [
    'a missing key',
    'registries:\n  - alias: hub',
    'config.yaml:2:5: registries[0].name: is required: a host with an optional port, without scheme or path, such as ghcr.io or localhost:5000',
  ],
  [
    'a duration without unit',
    'cache: { negativeTtl: 10 }',
    'config.yaml:1:23: cache.negativeTtl: must be a duration such as 500ms, 30s, 5m, 1h30m or 7d, not 10',
  ],
  [
    'a bad duration',
    'upstream: { stallTimeout: 1 min }',
    'config.yaml:1:27: upstream.stallTimeout: must be a duration such as 500ms, 30s, 5m, 1h30m or 7d, not "1 min"',
  ],
  [
    'a duration that no timer can wait',
    'upstream: { stallTimeout: 30d }',
    'config.yaml:1:27: upstream.stallTimeout: must be 24d or less, not "30d"',
  ],
  ['a timeout of nothing', 'pullTimeout: 0', 'config.yaml:1:14: pullTimeout: must be 1ms or more, not 0'],
  [
    'a bad freshness',
    'cache: { freshness: sometimes }',
    'config.yaml:1:21: cache.freshness: must be immutable, always or a duration such as 5m, not "sometimes"',
  ],
  [
    'a bad size',
    'cache: { maxSize: 10Gi }',
    'config.yaml:1:19: cache.maxSize: must be a size such as 64MiB, 10GB or a number of bytes, not "10Gi"',
  ],
  [
    'a share beyond all',
    'cache: { minFree: 101% }',
    'config.yaml:1:19: cache.minFree: must be a size such as 10GiB or a share such as 5%, not "101%"',
  ],
  [
    'what one registry leaves free, whose file system is that of all',
    'registries: [{ name: ghcr.io, cache: { minFree: 5% } }]',
    'config.yaml:1:40: registries[0].cache.minFree: unknown key; it belongs below cache',
  ],
  [
    'a registry that is no host',
    'registries: [{ name: "https://ghcr.io" }]',
    'config.yaml:1:22: registries[0].name: must be a host with an optional port, without scheme or path, such as ghcr.io or localhost:5000, not "https://ghcr.io"',
  ],
  [
    'the same registry twice',
    'registries:\n  - name: ghcr.io\n  - name: GHCR.io',
    'config.yaml:3:11: registries[1].name: "ghcr.io" is already the name or alias of a registry',
  ],
  [
    'Docker Hub by two of its names',
    'registries:\n  - name: index.docker.io\n  - name: docker.io',
    'config.yaml:3:11: registries[1].name: "docker.io" is already the name or alias of a registry',
  ],
  [
    'the same alias twice',
    'registries:\n  - { name: a.io, alias: hub }\n  - { name: b.io, alias: hub }',
    'config.yaml:3:26: registries[1].alias: "hub" is already the name or alias of a registry',
  ],
  [
    'the same account twice',
    'registries:\n  - name: a.io\n    auth: { user: me, password: p, accounts: [{ user: me, passwordFile: f }] }',
    'config.yaml:3:55: registries[0].auth.accounts[0].user: "me" is already an account',
    'config.yaml:3:73: registries[0].auth.accounts[0].passwordFile: the file "f": no such file',
  ],
  [
    'a registry that is its own mirror',
    'registries:\n  - { name: docker.io, endpoints: ["https://m.io", "https://registry-1.docker.io/v2/"] }',
    'config.yaml:2:52: registries[0].endpoints[1]: is the registry itself, which is asked after its mirrors anyway',
  ],
  [
    'a block of addresses that is none',
    'upstream: { noProxy: [10.0.0.0/8, 10.0.0.0/33, "fd00::/8", a.io/8] }',
    'config.yaml:1:35: upstream.noProxy[1]: must be *, a host, .suffix, an address or a block of addresses, with a port or without',
    'config.yaml:1:60: upstream.noProxy[3]: must be *, a host, .suffix, an address or a block of addresses, with a port or without',
  ],
  [
    'an alias that is a registry',
    'registries:\n  - { name: mirror }\n  - { name: b.io, alias: mirror }',
    'config.yaml:3:26: registries[1].alias: "mirror" is already the name or alias of a registry',
  ],
  ...['a.b', 'a/b', 'a:1', 'Hub', 'localhost', '-a'].map((alias): [string, string, string] => [
    `the alias ${alias}`,
    `registries: [{ name: a.io, alias: "${alias}" }]`,
    `config.yaml:1:35: registries[0].alias: must be a name that cannot be a host: lower-case letters and digits with - or _ between them, not "${alias}"`,
  ]),
  [
    'a certificate without key',
    'registries: [{ name: a.io, tls: { cert: c } }]',
    'config.yaml:1:41: registries[0].tls.cert: has no effect without key',
  ],
  [
    'a server key without certificate',
    'serverTlsConfig: { key: k }',
    'config.yaml:1:25: serverTlsConfig.key: has no effect without cert',
  ],
  [
    'clients to be verified without TLS',
    'serverTlsConfig: { clientAuth: verify }',
    'config.yaml:1:32: serverTlsConfig.clientAuth: verify needs cert and key',
  ],
  [
    'clients to be verified by no one',
    'serverTlsConfig: { cert: c, key: k, clientAuth: verify }',
    'config.yaml:1:49: serverTlsConfig.clientAuth: verify needs ca',
  ],
  [
    'two spellings that disagree',
    'pruneConfig: { dryRun: true, dryrun: false }',
    'config.yaml:1:38: pruneConfig.dryrun: says something else than dryRun',
  ],
  [
    'a block of addresses with too many bits',
    'trustedProxies: [10.0.0.0/33]',
    'config.yaml:1:18: trustedProxies[0]: must be an address or a block of addresses such as 10.0.0.0/8, not "10.0.0.0/33"',
  ],
  [
    'a URL with a password, without showing it',
    'publicUrl: https://u:p@a.io',
    'config.yaml:1:12: publicUrl: must be an http or https URL without user, query and fragment',
  ],
  [
    'a misspelt key of a rule',
    'access:\n  - { nam: x, who: anyone, repositories: ["**"], actions: [] }',
    'config.yaml:2:5: access[0].name: is required',
    'config.yaml:2:7: access[0].nam: unknown key; did you mean "name"?',
  ],
  [
    'all mistakes at once, from top to bottom',
    'port: x\nregistries:\n  - { name: a.io }\n  - { name: a.io, scheme: ftp }\nhealth: -1\n',
    'config.yaml:1:7: port: must be a whole number from 0 to 65535, not "x"',
    'config.yaml:4:13: registries[1].name: "a.io" is already the name or alias of a registry',
    'config.yaml:4:27: registries[1].scheme: must be https or http, not "ftp"',
    'config.yaml:5:9: health: must be a whole number from 0 to 65535, not -1',
  ],
  // YAML that we do not take
  ['an alias', 'logFile: &a x\nimagePath: *a', `config.yaml:2:12: imagePath: ${noAlias}`],
  ['an alias of nothing', 'imagePath: *a', `config.yaml:1:12: imagePath: ${noAlias}`],
  ['a merge key', 'cache:\n  <<: { complete: true }', `config.yaml:2:3: cache["<<"]: ${noMerge}`],
];

describe('a mistake is told: ', () => {
  for (const [what, yaml, ...problems] of mistakes) {
    it(what, async () => assert.deepEqual(await problemsOf(yaml), problems));
  }

  it('a flag’s by the name of the flag, before those of the file', async () => {
    const problems = await problemsOf('health: x', { flags: { port: 70_000, pullTimeout: 'soon' } });
    assert.deepEqual(problems, [
      '--port: must be a whole number from 0 to 65535, not 70000',
      '--pull-timeout: must be a number of milliseconds or a duration such as 30s, not "soon"',
      'config.yaml:1:9: health: must be a whole number from 0 to 65535, not "x"',
    ]);
  });

  it('a file that is not there, is a folder, is too large or no text', async () => {
    const missing = join(tmpdir(), 'no-such-folder', 'config.yaml');
    await assert.rejects(loadConfig({ file: missing, flags: {}, env: {} }), {
      message: `${missing}: no such file`,
    });
    await assert.rejects(loadConfig({ file: tmpdir(), flags: {}, env: {} }), {
      message: `${tmpdir()}: is a directory`,
    });
    assert.deepEqual(await problemsOf('#'.repeat(1024 * 1024 + 1)), [
      'config.yaml: larger than 1048576 bytes',
    ]);
    assert.deepEqual(await problemsOf(Buffer.from([0x61, 0xff])), [
      'config.yaml: not valid UTF-8: save it as UTF-8 (iconv -t UTF-8), or is it another file?',
    ]);
  });

  it('a hundred of many', async () => {
    const keys = Array.from({ length: 150 }, (_, index) => `key${index}: 1`);
    const problems = await problemsOf(keys.join('\n'));
    assert.deepEqual(
      [problems[0], problems.length, problems.at(-1)],
      ['config.yaml:1:1: key0: unknown key', 101, 'and 50 more'],
    );
  });

  it('a file that is nested without end', async () => {
    for (const text of ['['.repeat(5000), '{a: '.repeat(5000), '- '.repeat(5000)]) {
      assert.match((await problemsOf(text))[0] ?? '', /^config.yaml:1:[0-9]+: nested too deeply$/);
    }
  });
});

describe('whatever the file holds, the loader', () => {
  const names = [
    ...Object.keys(configSchema.shape),
    'name',
    'auth',
    'token',
    'freshness',
    'tls',
    '__proto__',
    '<<',
  ];
  const value: fc.Memo<unknown> = fc.memo((depth) =>
    depth <= 1
      ? fc.oneof(
          fc.string(),
          fc.integer(),
          fc.double(),
          fc.boolean(),
          fc.constant(null),
          fc.constantFrom('5m', 'ghcr.io', '5%'),
        )
      : fc.oneof(
          value(depth - 1),
          fc.array(value(depth - 1), { maxLength: 3 }),
          fc.dictionary(fc.constantFrom(...names), value(depth - 1), { maxKeys: 4 }),
        ),
  );
  const noise = fc.array(
    fc.constantFrom(
      'port',
      'registries',
      ': ',
      '- ',
      '\n',
      '  ',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '&a',
      '*a',
      '!t',
      '|',
      '>',
      '#',
      ',',
      '\t',
      '---\n',
      '%',
      '@',
      '? ',
      'é',
      '\0',
    ),
    { maxLength: 25 },
  );
  const texts = fc.oneof(
    value(4).map((content) => stringify(content, { aliasDuplicateObjects: false })),
    noise.map((parts) => parts.join('')),
    fc.string(),
  );

  it('answers a configuration or a ConfigError with one line for each problem', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        try {
          await loadText(text);
        } catch (error) {
          assert.ok(error instanceof ConfigError, String(error));
          assert.ok(error.problems.length > 0);
          for (const problem of error.problems) assert.match(problem, /^\S+config\.yaml(:\d+:\d+)?: [^\n]+$/);
        }
      }),
      { numRuns: repetitions(300) },
    );
  });
});
