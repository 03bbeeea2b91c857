import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, mkdtempDisposable, readdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { preflight } from '#src/app/preflight/preflight.ts';
import { loadConfig } from '#src/config/load.ts';
import { type KeyPair, TestAuthority } from '#test/fakes/certificates.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';
import { needs } from '#test/setup/needs.ts';

interface Found {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

interface Around {
  readonly mode?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly tryPorts?: boolean;
}

/** What is found of a configuration in a directory that only its owner may enter, `DIR` in it being that directory. */
async function check(
  yaml: string,
  { mode = 0o600, env = {}, tryPorts = false }: Around = {},
  prepare: (directory: string) => Promise<unknown> = async () => {},
): Promise<Found> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'preflight-'));
  const { path } = directory;
  const file = join(path, 'config.yaml');
  const text = `imagePath: DIR/data\n${yaml}\n`;
  await writeFile(file, text.replaceAll('DIR', path), { mode });
  await prepare(path);
  const loaded = await loadConfig({ file, flags: {}, env });
  const found = await preflight(loaded, { env, tryPorts });
  const named = (lines: readonly string[]) => lines.map((line) => line.replaceAll(path, 'DIR'));
  return { problems: named(found.problems), warnings: named(found.warnings) };
}

/** A program that leaves a socket behind. */
const bindAndEnd =
  'require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';

/** So that a stranger may enter. */
const openDirectory = async (directory: string): Promise<void> => await chmod(directory, 0o755);

describe('before a start', () => {
  it('nothing is found where nothing is wrong, and nothing is made', async () => {
    await using directory = await temporaryDirectory();
    const loaded = await loadConfig({
      flags: { imagePath: join(directory.path, 'a/b'), logFile: join(directory.path, 'log'), port: 0 },
      env: {},
    });
    assert.deepEqual(await preflight(loaded, { env: {}, tryPorts: true }), { problems: [], warnings: [] });
    assert.deepEqual(await readdir(directory.path), []);
  });

  it('an imagePath that is a file, or below one, is found', async () => {
    const file = async (directory: string) => await writeFile(join(directory, 'data'), '');
    assert.deepEqual((await check('', {}, file)).problems, [
      'DIR/config.yaml:1:12: imagePath: unable to verify image path: "DIR/data" is not a directory',
    ]);
    const below = await loadConfig({ flags: { imagePath: '/dev/null/cache' }, env: {} });
    const { problems } = await preflight(below, { env: {}, tryPorts: false });
    assert.deepEqual(problems, ['--image-path: unable to verify image path: "/dev/null" is not a directory']);
  });

  it('a directory of files that is not there is found, and a certificate of its door', async () => {
    const door = 'port: 8000, serve: files';
    const { problems } = await check(
      `listeners:\n  - { ${door}, directory: DIR/indexes }\n  - { port: 8001, tls: { cert: DIR/c, key: DIR/k }, serve: files, directory: DIR }`,
    );
    assert.deepEqual(problems, [
      'DIR/config.yaml:3:44: listeners[0].directory: "DIR/indexes" is not a directory',
      'DIR/config.yaml:4:32: listeners[1].tls.cert: the file "DIR/c" cannot be used: no such file',
    ]);
  });

  it('an imagePath that leads to itself is found', async () => {
    const loop = async (directory: string) => await symlink('data', join(directory, 'data'));
    assert.match(
      (await check('', {}, loop)).problems.join(),
      /imagePath: .*"DIR\/data.*" is not a directory$/,
    );
  });

  it('a read-only place for the cache is found', async () => {
    const loaded = await loadConfig({ flags: { imagePath: '/proc/self/cache' }, env: {} });
    const { problems } = await preflight(loaded, { env: {}, tryPorts: false });
    assert.match(
      problems.join(),
      /^--image-path: unable to verify image path: "\/proc\/self" may not be written to/,
    );
  });

  it('a place where even root can keep no files is found, also for the log', async () => {
    const flags = { imagePath: '/proc/nowhere', logFile: '/proc/log' };
    const { problems } = await preflight(await loadConfig({ flags, env: {} }), { env: {}, tryPorts: false });
    const reason = process.getuid?.() === 0 ? 'lies on proc, which keeps no files' : 'may not be written to';
    assert.equal(problems.length, 2);
    assert.match(problems[0] ?? '', new RegExp(`^--image-path: .*"/proc" ${reason}`));
    assert.match(problems[1] ?? '', new RegExp(`^--log-file: "/proc" ${reason}`));
  });

  const logs: [name: string, at: string, problem: string][] = [
    ['in no directory', 'DIR/logs/a.log', 'there is no directory "DIR/logs"'],
    ['that is a directory', 'DIR', '"DIR" is a directory'],
    ['below a file', 'DIR/config.yaml/a.log', '"DIR/config.yaml" is not a directory'],
  ];
  it('a log that is a socket is found, and one that is a pipe is right: the server waits for no reader of it', async () => {
    const inTheWay = async (directory: string) => {
      execFileSync('mkfifo', [join(directory, 'pipe')]);
      spawnSync(process.execPath, ['-e', bindAndEnd, join(directory, 'socket')]);
    };
    assert.deepEqual((await check('logFile: DIR/pipe', {}, inTheWay)).problems, []);
    assert.deepEqual((await check('logFile: DIR/socket', {}, inTheWay)).problems, [
      'DIR/config.yaml:2:10: logFile: "DIR/socket" is a socket',
    ]);
  });

  for (const [name, at, problem] of logs) {
    it(`a log file ${name} is found`, async () => {
      assert.deepEqual((await check(`logFile: ${at}`)).problems, [
        `DIR/config.yaml:2:10: logFile: ${problem}`,
      ]);
    });
  }

  it('what is wrong with a proxy of the environment is found', async () => {
    const { problems } = await check('', { env: { HTTPS_PROXY: 'socks5://proxy:1080' } });
    assert.match(problems.join(), /HTTPS_PROXY/);
    assert.equal(problems.length, 1);
  });

  it('a port that somebody listens on is a hint, since it may be the server itself', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen({ host: '127.0.0.1', port: 0 }, resolve));
    const { port } = server.address() as { port: number };
    const yaml = `host: 127.0.0.1\nport: ${port}`;
    try {
      const { problems, warnings } = await check(yaml, { tryPorts: true });
      assert.deepEqual(problems, []);
      assert.deepEqual(warnings, [
        `DIR/config.yaml:3:7: port: ${port} is in use on 127.0.0.1: by a server that runs already?`,
      ]);
      assert.deepEqual((await check(yaml)).warnings, []);
    } finally {
      server.close();
    }
  });

  it('an address of another machine is found', async () => {
    // TEST-NET-1 (RFC 5737) is nobody's.
    const { problems } = await check('host: 192.0.2.1\nport: 0', { tryPorts: true });
    assert.deepEqual(problems, ['DIR/config.yaml:2:7: host: "192.0.2.1" is no address of this machine']);
  });

  it('a source of credentials that is not there is warned of', async () => {
    const { problems, warnings } = await check(
      [
        'host: 127.0.0.1',
        'registries:',
        '  - { name: a.io, auth: { token: { provider: exec, providerOpts: { command: no-such-helper } } } }',
        '  - { name: b.io, auth: { token: { provider: exec, providerOpts: { command: [sh, get] } } } }',
        '  - { name: c.io, auth: { token: { provider: file, providerOpts: { path: DIR/none } } } }',
        '  - { name: d.io, auth: { token: { provider: gcp, providerOpts: { keyFile: DIR/pipe } } } }',
      ].join('\n'),
      { env: { PATH: '/usr/bin:/bin' } },
      async (directory) => execFileSync('mkfifo', [join(directory, 'pipe')]),
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(
      warnings.map((line) => line.replace(/^\S+ /, '')),
      [
        'registries[0].auth.token.providerOpts: there is no program "no-such-helper" to be run',
        'registries[2].auth.token.providerOpts: there is no "DIR/none" yet',
        'registries[3].auth.token.providerOpts: "DIR/pipe" is no regular file',
      ],
    );
  });
});

describe('secrets in files that every user of the machine can read', () => {
  const password =
    'registries: [{ name: a.io, auth: { user: u, passwordFile: DIR/password } }]\nhost: 127.0.0.1';
  const secretFile = (mode: number) => async (directory: string) => {
    await writeFile(join(directory, 'password'), 'x', { mode });
    await openDirectory(directory);
  };

  it('are warned of: those by which clients are known and counted, and the keys of our tokens', async () => {
    const yaml = [
      'host: 127.0.0.1',
      'publicUrl: https://cache.test',
      'auth:',
      '  basic: { htpasswdFile: DIR/users }',
      '  tokenService: { issuer: a, service: b, keyFile: DIR/key }',
      '  oauth:',
      '    clients: [{ id: a, secretFile: DIR/client }, { id: b, secretFile: DIR/closed }]',
      '    signing: { algorithm: HS256, secretFile: DIR/signing }',
      'rateLimit: { requests: 1, per: 1m }',
      'storage: { coordination: { kind: redis, urlFile: DIR/redis } }',
    ].join('\n');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const texts = {
      users: '',
      key: String(privateKey.export({ format: 'pem', type: 'pkcs8' })),
      ...{ client: 'x'.repeat(16), signing: 'x'.repeat(32), redis: 'redis://redis:6379' },
      'data/token-keys.json': '{}',
    };
    const { problems, warnings } = await check(yaml, {}, async (directory) => {
      await mkdir(join(directory, 'data'));
      for (const [name, text] of Object.entries(texts))
        await writeFile(join(directory, name), text, { mode: 0o644 });
      await writeFile(join(directory, 'closed'), 'x'.repeat(16), { mode: 0o640 });
      await openDirectory(directory);
    });
    assert.deepEqual(problems, []);
    const open = (at: string, file: string): string =>
      `${at}: the file "DIR/${file}" can be read by every user of this machine: chmod o-r`;
    assert.deepEqual(
      warnings.map((line) => line.replace(/^\S+ /, '')),
      [
        open('imagePath', 'data/token-keys.json'),
        open('auth.basic.htpasswdFile', 'users'),
        open('auth.tokenService.keyFile', 'key'),
        open('auth.oauth.clients[0].secretFile', 'client'),
        open('auth.oauth.signing.secretFile', 'signing'),
        open('storage.coordination.urlFile', 'redis'),
      ],
    );
  });

  it('are warned of: a password, by the mode of its file', async () => {
    const { warnings } = await check(password, {}, secretFile(0o644));
    assert.deepEqual(warnings, [
      'DIR/config.yaml:2:59: registries[0].auth.passwordFile: the file "DIR/password" can be read by every user of this machine: chmod o-r',
    ]);
    assert.deepEqual((await check(password, {}, secretFile(0o640))).warnings, []);
  });

  it('are none behind a directory that others may not enter', async () => {
    const behind = async (directory: string) =>
      await writeFile(join(directory, 'password'), 'x', { mode: 0o644 });
    assert.deepEqual((await check(password, {}, behind)).warnings, []);
  });

  it('are warned of: the configuration itself, where a secret stands in it', async () => {
    const literal = [
      'registries:',
      '  - { name: a.io, auth: { user: u, password: p } }',
      '  - { name: b.io, auth: { token: { static: dTpw } } }',
      'upstream: { proxy: "http://u:p@proxy:3128" }',
      'host: 127.0.0.1',
    ].join('\n');
    const { warnings } = await check(literal, { mode: 0o644 }, openDirectory);
    assert.deepEqual(
      warnings.map((line) => line.replace(/^\S+ (\S+): .*/, '$1')),
      ['registries[0].auth.password', 'registries[1].auth.token.static', 'upstream.proxy'],
    );
    assert.deepEqual((await check(literal, { mode: 0o600 }, openDirectory)).warnings, []);
    const none = await check('upstream: { proxy: "http://proxy:3128" }', { mode: 0o644 }, openDirectory);
    assert.deepEqual(none.warnings, []);
  });
});

describe('before a start the files of TLS are looked at', needs('openssl'), () => {
  let authority: TestAuthority;
  let server: KeyPair;
  let other: KeyPair;
  before(async () => {
    authority = await TestAuthority.create();
    server = await authority.issue('server', 'IP:127.0.0.1');
    other = await authority.issue('other', 'IP:127.0.0.1');
  });
  after(async () => await authority[Symbol.asyncDispose]());

  const problemsOf = async (yaml: string): Promise<string[]> =>
    (await check(yaml)).problems.map((line) => line.replace(/^\S+ /, ''));

  it('and nothing is found where they are right', async () => {
    const { certFile, keyFile } = server;
    const tls = `{ cert: ${certFile}, key: ${keyFile}, ca: ${authority.caFile} }`;
    assert.deepEqual(
      await problemsOf(
        `serverTlsConfig: ${tls}\nupstream: { ca: ${authority.caFile} }\nregistries: [{ name: a.io, tls: ${tls} }]`,
      ),
      [],
    );
  });

  it('a file that is missing is found, the server’s or a registry’s', async () => {
    const { keyFile } = server;
    assert.deepEqual(await problemsOf(`serverTlsConfig: { cert: /no/tls.crt, key: ${keyFile} }`), [
      'serverTlsConfig.cert: the file "/no/tls.crt" cannot be used: no such file',
    ]);
    const registries =
      '[{ name: a.io, tls: { ca: /no/a.crt } }, { name: b.io, upstream: { ca: /no/b.crt } }]';
    assert.deepEqual(await problemsOf(`upstream: { ca: /no/all.crt }\nregistries: ${registries}`), [
      'upstream.ca: the file "/no/all.crt" cannot be used: no such file',
      'registries[0].tls.ca: a.io: the file "/no/a.crt" cannot be used: no such file',
      'registries[1].upstream.ca: b.io: the file "/no/b.crt" cannot be used: no such file',
    ]);
  });

  it('of an air gap only the server’s', async () => {
    assert.deepEqual(await problemsOf('airGapped: true\nupstream: { ca: /no/all.crt }'), []);
  });

  it('a key of another certificate is found', async () => {
    const pair = `{ cert: ${server.certFile}, key: ${other.keyFile} }`;
    const message = `the file "${other.keyFile}" is not the key of the certificate in "${server.certFile}"`;
    assert.deepEqual(
      await problemsOf(`serverTlsConfig: ${pair}\nregistries: [{ name: a.io, tls: ${pair} }]`),
      [`serverTlsConfig.key: ${message}`, `registries[0].tls.key: a.io: ${message}`],
    );
  });

  it('a file of something else is found', async () => {
    const text = await authority.file('text', 'hello');
    const { certFile, keyFile } = server;
    assert.deepEqual(await problemsOf(`serverTlsConfig: { cert: ${text}, key: ${keyFile} }`), [
      `serverTlsConfig.cert: the file "${text}" holds no certificate in PEM`,
    ]);
    assert.deepEqual(await problemsOf(`serverTlsConfig: { cert: ${certFile}, key: ${certFile} }`), [
      `serverTlsConfig.key: the file "${certFile}" holds no private key in PEM`,
    ]);
    assert.deepEqual(await problemsOf(`upstream: { ca: ${text} }`), [
      `upstream.ca: the file "${text}" holds no certificate in PEM`,
    ]);
  });
});

describe('before a start the counter of limits is looked at', () => {
  it('finds that the URL of Redis is one that its client cannot take, without its password', async () => {
    const yaml =
      'rateLimit: { requests: 1, per: 1m }\nstorage: { coordination: { kind: redis, urlFromEnv: REDIS } }';
    for (const [url, fault] of [
      ['redis://redis:6379', undefined],
      ['rediss://user:100%25@[::1]:6379/1', undefined],
      ['http://:PASSWORD@redis', 'is not the URL of a Redis server, such as redis://redis:6379'],
      ['redis://:PASSWORD@[redis', 'is not the URL of a Redis server, such as redis://redis:6379'],
      ['redis://:PASSWORD@redis/x', 'has a path that is no number of a database, as in redis://redis:6379/1'],
      ['redis://:PASSWORD%@redis', 'has a user or a password with a % in it, which is written %25 in a URL'],
    ] as const) {
      const { problems } = await check(yaml, { env: { REDIS: url.replace('PASSWORD', secret('of redis')) } });
      assert.deepEqual(
        problems.map((line) => line.replace(/^.*: storage/, 'storage')),
        fault === undefined ? [] : [`storage.coordination.urlFromEnv: the URL ${fault}`],
      );
    }
  });
});
