import assert from 'node:assert/strict';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Preflight } from '#src/app/preflight/preflight.ts';
import type { LongStart } from '#src/cli/long-start.ts';
import { runProgram } from '#src/cli/program.ts';
import type { LoadedConfig } from '#src/config/load.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly served: LoadedConfig | undefined;
  /** What load or list was told to do. */
  readonly order: object | undefined;
}

interface Around {
  readonly text?: string;
  readonly serve?: (start: LongStart) => Promise<boolean>;
  readonly preflight?: (loaded: LoadedConfig) => Promise<Preflight>;
  readonly clock?: FakeClock;
}

const ended = async (): Promise<boolean> => true;
const nothing: Preflight = { problems: [], warnings: [] };
/** What a start would stumble over. */
const finds = (problems: readonly string[], warnings: readonly string[] = []) => ({
  preflight: async (): Promise<Preflight> => ({ problems, warnings }),
});

/** Runs a command line, `FILE` in which is a file with this text, and `EMPTY` an argument without any. */
async function run(
  line: string,
  { text = '', serve = ended, preflight = async () => nothing, clock = new FakeClock() }: Around = {},
): Promise<Outcome> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'cli-'));
  const file = join(directory.path, 'config.yaml');
  await writeFile(file, text);
  const named = (output: string): string => output.replaceAll(file, 'config.yaml');
  let stdout = '';
  let stderr = '';
  let served: LoadedConfig | undefined;
  let order: Outcome['order'];
  const code = await runProgram(
    line
      .split(' ')
      .filter(Boolean)
      .map((word) => (word === 'FILE' ? file : word === 'EMPTY' ? '' : word)),
    {
      stdout: { write: (output) => (stdout += output) },
      stderr: { write: (output) => (stderr += output) },
      env: {},
      version: { version: '1.2.3', buildDate: 'today' },
      hearSignals() {},
      announce: (config, text) => (stderr += `${config.logFormat}: ${text}\n`),
      doctor: async () => false,
      explainAccess: async (_, told) => {
        order = told;
        return told.user === 'ann';
      },
      load: async ({ config }, told) => {
        order = told;
        if (config.imageFile === '') throw new Error('which images?');
        return config.imageFile === 'good.txt';
      },
      export: async (_, told) => {
        order = told;
        return true;
      },
      import: async (_, told) => {
        order = told;
        return false;
      },
      list: async (_, told) => {
        order = told;
      },
      prune: async (_, told) => {
        order = told;
      },
      wanted: async (_, told) => {
        order = told;
      },
      htpasswd: async (told) => {
        order = told;
        if (told.user === 'nobody') throw new Error('the password is empty');
      },
      pin: async (_, told) => {
        order = told;
        return told.pattern !== 'nothing';
      },
      refresh: async (_, told) => {
        order = told;
        return told.pattern !== 'nothing';
      },
      verify: async (_, told) => {
        order = told;
        return told.repairs;
      },
      clock,
      preflight,
      serve: async (loaded, start) => {
        served = loaded;
        return await serve(start);
      },
    },
  );
  return { code, stdout: named(stdout), stderr: named(stderr), served, order };
}

describe('ociregistry verify', () => {
  it('is told what to do, and ends with what came of it', async () => {
    const { code, order } = await run('verify --repair --rebuild --rate 50MiB --output json');
    assert.equal(code, 0);
    assert.deepEqual(order, { repairs: true, rebuilds: true, rate: 50 * 1024 * 1024, output: 'json' });
    const plain = await run('verify');
    assert.deepEqual(
      [plain.code, plain.order],
      [1, { repairs: false, rebuilds: false, rate: 0, output: 'text' }],
    );
  });

  it('takes no rate that is none', async () => {
    const { code, stderr } = await run('verify --rate fast');
    assert.equal(code, 1);
    assert.match(stderr, /--rate: must be a size such as 64MiB/);
  });
});

describe('ociregistry', () => {
  it('prints its help when it is given no command', async () => {
    const { code, stdout, stderr } = await run('');
    assert.deepEqual([code, stderr], [0, '']);
    for (const word of ['serve', 'load', 'list', 'prune', 'version', 'check-config', '--log-level']) {
      assert.ok(stdout.includes(word), word);
    }
  });

  for (const line of ['version', '--version', '-version', '-v', '--log-level info -v', 'serve --version']) {
    it(`prints its version: ${line}`, async () => {
      const { code, stdout, stderr, served } = await run(line);
      assert.deepEqual(
        [code, stdout, stderr, served],
        [0, 'ociregistry version: 1.2.3 build date: today\n', '', undefined],
      );
    });
  }

  const helps: [command: string, ...flags: string[]][] = [
    [
      'serve',
      'preload-images',
      'port',
      'os',
      'arch',
      'pull-timeout',
      'health',
      'metrics',
      'always-pull-latest',
      'hello-world',
      'air-gapped',
      'default-ns',
      'host',
    ],
    [
      'load',
      ...[
        'image-file',
        'resolve-ref',
        'os',
        'arch',
        'pull-timeout',
        'platform',
        'referrers',
        'parallel',
        'output',
      ],
    ],
    ['prune', 'pattern', 'date', 'not-used-for', 'keep', 'dry-run', 'output'],
    ['list', 'header', 'pattern', 'short-digest', 'wide', 'output'],
    ['wanted', 'output'],
    [
      'explain-access',
      ...[
        'repository',
        'action',
        'user',
        'client',
        'subject',
        'issuer',
        'group',
        'claim',
        'certificate',
        'address',
        'output',
      ],
    ],
    ['htpasswd', 'file', 'algorithm'],
    ['export', 'pattern', 'platform', 'chunk-size', 'since', 'used-since', 'wanted', 'output'],
    ['import', 'as', 'platform', 'output'],
    ['pin', 'output'],
    ['unpin', 'output'],
    ['refresh', 'pull-timeout', 'output'],
  ];
  for (const [command, ...flags] of helps) {
    it(`describes every flag of ${command}, with its default`, async () => {
      const { code, stdout, stderr } = await run(`${command} --help`);
      assert.deepEqual([code, stderr], [0, '']);
      const [text = '', globals = ''] = stdout.replaceAll(/\n {5,}/g, ' ').split('Global Options:');
      for (const flag of ['log-level', 'config-file', 'image-path', 'log-file'])
        assert.match(globals, new RegExp(`^ +--${flag} <value> +\\S`, 'm'));
      for (const flag of flags.filter((name) => name !== 'date')) {
        assert.match(text, new RegExp(`--${flag}( <value>)? +\\S.*\\(default: [^)]+\\)`));
      }
      const described = text
        .matchAll(/^ +--([a-z-]+)/gm)
        .map(([, flag]) => flag)
        .toArray();
      assert.deepEqual(described, flags);
    });
  }

  it('marks in its help what does nothing yet, and says what signals do', async () => {
    const root = (await run('')).stdout.replaceAll(/\n {5,}/g, ' ');
    assert.doesNotMatch(root, /^ +(?:serve|load|list|prune) .*not available/m);
    const serve = (await run('serve --help')).stdout.replaceAll(/\n {5,}/g, ' ');
    const marked = serve.matchAll(/^ +--([a-z-]+).*not available in this version yet, and ignored/gm);
    assert.deepEqual(
      [...marked].map(([, flag]) => flag),
      ['hello-world'],
    );
    assert.match(serve, /^ +SIGHUP .*log file.*certificates/m);
  });

  it('does not serve with what the start would stumble over, and hands on what is to be warned of', async () => {
    const broken = await run('serve', finds(['--log-file: no'], []));
    assert.deepEqual(
      [broken.code, broken.stderr, broken.served],
      [1, 'error getting configuration: --log-file: no\n', undefined],
    );
    const open = await run('serve --hello-world', finds([], ['open to all']));
    assert.deepEqual(open.served?.warnings, [
      'not available in this version yet, and ignored: --hello-world',
      'open to all',
    ]);
  });

  it('lets flags win over the file, which wins over the defaults', async () => {
    const { code, served } = await run(
      '-log-level DEBUG -config-file FILE serve --port 7070 -host=::1 --air-gapped=false',
      {
        text: 'port: 9090\nhealth: 9091\nairGapped: true\n',
      },
    );
    const { port, health, metrics, host, airGapped, logLevel } = served?.config ?? {};
    assert.equal(code, 0);
    assert.deepEqual(
      [port, health, metrics, host, airGapped, logLevel],
      [7070, 9091, 0, '::1', false, 'debug'],
    );
  });

  it('hands the flags of the original to the server', async () => {
    const { served } = await run(
      '--image-path ./x --log-file l serve --os linux --arch arm64 --pull-timeout 1500 --always-pull-latest --default-ns docker.io --health 0',
    );
    const { imagePath, logFile, os, arch, pullTimeout, alwaysPullLatest, defaultNs } = served?.config ?? {};
    assert.deepEqual(
      [imagePath, logFile, os, arch, pullTimeout, alwaysPullLatest, defaultNs, served?.warnings],
      ['./x', 'l', 'linux', 'arm64', 1500, true, 'docker.io', []],
    );
  });

  it('takes global flags after the command too', async () => {
    const { served } = await run('serve --log-level warn --config-file FILE', { text: 'port: 1' });
    assert.deepEqual([served?.config.logLevel, served?.config.port], ['warn', 1]);
  });

  it('warns of a flag whose feature is not built', async () => {
    const { served } = await run('serve --hello-world');
    assert.deepEqual(served?.warnings, ['not available in this version yet, and ignored: --hello-world']);
  });

  const usage: [line: string, message: string, help: string][] = [
    ['serve --bogus', "unknown option '--bogus'", 'serve'],
    ['serve --prot 1', "unknown option '--prot'\n(Did you mean --port?)", 'serve'],
    [
      '--air-gapped serve',
      "unknown option '--air-gapped'\n(It goes behind the command: serve, check-config, doctor)",
      '[options] [command]',
    ],
    [
      '--no-air-gapped serve',
      "unknown option '--no-air-gapped'\n(It goes behind the command: serve, check-config, doctor)",
      '[options] [command]',
    ],
    [
      '--keep=3 prune',
      "unknown option '--keep=3'\n(It goes behind the command: prune)",
      '[options] [command]',
    ],
    ['--bogus serve', "unknown option '--bogus'", '[options] [command]'],
    ['serve --port', "option '--port <value>' argument missing", 'serve'],
    ['serve --port high', '--port: must be a whole number from 0 to 65535, not "high"', 'serve'],
    ['serve --port 70000', '--port: must be a whole number from 0 to 65535, not 70000', 'serve'],
    [
      'serve --pull-timeout soon',
      '--pull-timeout: must be a number of milliseconds or a duration such as 30s, not "soon"',
      'serve',
    ],
    [
      '--log-level trace serve',
      '--log-level: must be debug, info, warn or error, not "trace"',
      '[options] [command]',
    ],
    [
      'prune --date 2026-02-31T00:00:00',
      '--date: must be a time such as 2026-01-31T23:59:59, not "2026-02-31T00:00:00"',
      'prune',
    ],
    [
      'prune --date yesterday',
      '--date: must be a time such as 2026-01-31T23:59:59, not "yesterday"',
      'prune',
    ],
    ['load --parallel 0', '--parallel: must be a number from 1 to 64, not "0"', 'load'],
    ['load --parallel=1e1', '--parallel: must be a number from 1 to 64, not "1e1"', 'load'],
    [
      'prune --not-used-for ever',
      '--not-used-for: must be a duration such as 500ms, 30s, 5m, 1h30m or 7d, not "ever"',
      'prune',
    ],
    ['prune --keep none', '--keep: must be a whole number from 1 to 1000000, not "none"', 'prune'],
    ['load --platform arm64', '--platform: must be a platform such as linux/arm64, not "arm64"', 'load'],
    [
      'export x --chunk-size 1KB',
      '--chunk-size: must be a size of 1MiB or more, such as 4GB, not "1KB"',
      'export [options] <TO>',
    ],
    [
      'export x --used-since yesterday',
      '--used-since: must be an age such as 7d or a time such as 2026-01-31T23:59:59, not "yesterday"',
      'export [options] <TO>',
    ],
    ['export', "missing required argument 'TO'", 'export [options] <TO>'],
    ['import', "missing required argument 'FROM'", 'import [options] <FROM...>'],
    [
      'import x --as /',
      '--as: must be a registry’s host such as docker.io, not "/"',
      'import [options] <FROM...>',
    ],
    ['list --output text', '--output: must be table or json, not "text"', 'list'],
    ['serve now', "too many arguments for 'serve'. Expected 0 arguments but got 1: now.", 'serve'],
    ['bogus', "unknown command 'bogus'", '[options] [command]'],
  ];
  for (const [line, message, help] of usage) {
    it(`says what is wrong and how it is right: ${line}`, async () => {
      const { code, stdout, stderr, served } = await run(line);
      assert.deepEqual([code, stderr, served], [1, `Incorrect Usage: ${message}\n\n`, undefined]);
      assert.ok(stdout.startsWith(`Usage: ociregistry ${help}`), stdout);
    });
  }

  it('does not serve with a configuration that is wrong', async () => {
    const one = await run('--config-file FILE serve', { text: 'prot: 1' });
    assert.deepEqual([one.code, one.served, one.stdout], [1, undefined, '']);
    assert.equal(
      one.stderr,
      'error getting configuration: config.yaml:1:1: prot: unknown key; did you mean "port"?\n',
    );
    const two = await run('--config-file FILE serve', { text: 'x: 1\ny: 1' });
    assert.equal(
      two.stderr,
      'error getting configuration:\nconfig.yaml:1:1: x: unknown key\nconfig.yaml:2:1: y: unknown key\n',
    );
    const none = await run('--config-file /no/such/file serve');
    assert.equal(none.stderr, 'error getting configuration: /no/such/file: no such file\n');
  });

  it('says once what a long start waits for, in the form of the log as soon as that is known', async () => {
    const clock = new FakeClock();
    const waits = async (): Promise<Preflight> => {
      await clock.advance(4999);
      await clock.advance(1);
      await clock.advance(60_000);
      return nothing;
    };
    const preflight = await run('serve --config-file FILE', {
      text: 'logFormat: json',
      preflight: waits,
      clock,
    });
    assert.equal(
      preflight.stderr,
      'json: the start waits for the files and directories that the configuration names\n',
    );
    const serve = async (start: LongStart): Promise<boolean> => {
      start.waitsFor = 'the cache';
      return (await waits()) === nothing;
    };
    assert.equal((await run('serve', { serve, clock })).stderr, 'auto: the start waits for the cache\n');
  });

  it('says nothing of a start that is over', async () => {
    const clock = new FakeClock();
    const serve = async (start: LongStart): Promise<boolean> => {
      start[Symbol.dispose]();
      await clock.advance(60_000);
      return true;
    };
    const { stderr } = await run('serve', { serve, clock });
    assert.deepEqual([stderr, clock.sleeping], ['', 0]);
  });

  it('says why a server did not start', async () => {
    const { code, stderr } = await run('serve', {
      serve: async () => {
        throw new Error('port 8080 is in use');
      },
    });
    assert.deepEqual([code, stderr], [1, 'error starting the server: port 8080 is in use\n']);
  });

  it('adds nothing where the log has said why the server did not start', async () => {
    const { code, stderr } = await run('serve', { serve: async () => false });
    assert.deepEqual([code, stderr], [1, '']);
  });

  it('hands on what is to be loaded, and says by its code whether all was', async () => {
    const line =
      'load --image-file good.txt --platform linux/arm64/v8 --platform=linux/arm/v7,windows/amd64 --referrers --parallel 9 --output json';
    const { code, stderr, order } = await run(line);
    assert.deepEqual([code, stderr], [0, '']);
    const platforms = [
      { os: 'linux', architecture: 'arm64' },
      { os: 'linux', architecture: 'arm', variant: 'v7' },
      { os: 'windows', architecture: 'amd64' },
    ];
    assert.deepEqual(order, { platforms, referrers: true, parallel: 9, output: 'json' });
    const bad = await run('load --image-file bad.txt');
    assert.deepEqual(bad.order, { platforms: [], referrers: false, parallel: 4, output: 'text' });
    assert.equal(bad.code, 1);
    const none = await run('load');
    assert.deepEqual([none.code, none.stderr], [1, 'error loading images: which images?\n']);
    const wrong = await run('load --config-file FILE', { text: 'prot: 1' });
    assert.match(wrong.stderr, /^error getting configuration: config.yaml:1:1: prot/);
  });

  it('hands on what is to be exported and imported, and says by its code whether all was', async () => {
    const line =
      'export to.tar --pattern a,b --pattern c --platform linux/arm64 --chunk-size 4GB --since old.json --used-since 2026-01-31T23:59:59 --wanted - --output json';
    const exported = await run(line);
    assert.deepEqual([exported.code, exported.stderr], [0, '']);
    assert.deepEqual(exported.order, {
      ...{ to: 'to.tar', pattern: 'a,b,c', platforms: [{ os: 'linux', architecture: 'arm64' }] },
      ...{ chunkSize: 4_000_000_000, since: 'old.json', wanted: '-', output: 'json' },
      usedSince: new Date('2026-01-31T23:59:59').getTime(),
    });
    const imported = await run('import a.tar b --as docker.io');
    assert.equal(imported.code, 1);
    assert.deepEqual(imported.order, {
      ...{ paths: ['a.tar', 'b'], host: 'docker.io', platforms: [], output: 'text' },
    });
  });

  it('lists as the flags say, else as the file does', async () => {
    const text = 'listConfig: { header: true, expr: a, shortDigest: true }';
    const file = await run('list --config-file FILE', { text });
    assert.deepEqual(file.order, {
      ...{ output: 'table', header: true, pattern: 'a', shortDigest: true, wide: false },
    });
    const line = 'list -config-file FILE -header=false --pattern b,c --wide --output json';
    const flags = await run(line, { text });
    assert.deepEqual(flags.order, {
      ...{ output: 'json', header: false, pattern: 'b,c', shortDigest: true, wide: true },
    });
    assert.deepEqual([flags.code, flags.stderr], [0, '']);
  });

  it('explains access by what it is told of him, and says by its exit code whether he may', async () => {
    const line = 'explain-access --repository a/b:v1 --action push --group ci --group ops --address 10.0.0.1';
    const asked = { repository: 'a/b:v1', action: 'push', groups: ['ci', 'ops'], address: '10.0.0.1' };
    const nobody = {
      ...{
        user: undefined,
        client: undefined,
        subject: undefined,
        issuer: undefined,
        certificate: undefined,
      },
      ...{ claims: {}, output: 'text' },
    };
    const { code, order } = await run(line);
    assert.deepEqual([code, order], [1, { ...asked, ...nobody }]);
    assert.equal((await run(`${line} --user ann`)).code, 0);
    const said = await run(
      `${line} --issuer https://a.test --claim path=a=b --claim path=c --claim ref=true`,
    );
    assert.partialDeepStrictEqual(said.order, {
      issuer: 'https://a.test',
      claims: { path: ['a=b', 'c'], ref: ['true'] },
    });
    assert.equal((await run(`${line} --claim path`)).code, 1);
    const { code: failed, stderr } = await run('explain-access --user ann');
    assert.deepEqual([failed, stderr], [1, '--repository is missing: of what?\n']);
    assert.equal((await run('explain-access --repository a --action admin')).code, 1);
    assert.equal((await run('explain-access --repository a --address here')).code, 1);
  });

  it('lists what is wanted, for people and for programs', async () => {
    assert.deepEqual((await run('wanted')).order, { output: 'text' });
    assert.deepEqual((await run('wanted --output json')).order, { output: 'json' });
  });

  it('pins, unpins and refreshes what a pattern matches, which has to be there', async () => {
    assert.deepEqual((await run('pin ^alpine')).order, {
      pattern: '^alpine',
      isPinned: true,
      output: 'text',
    });
    const unpinned = await run('unpin a,b --output json');
    assert.deepEqual(unpinned.order, { pattern: 'a,b', isPinned: false, output: 'json' });
    assert.deepEqual((await run('refresh ^alpine')).order, { pattern: '^alpine', output: 'text' });
    for (const command of ['pin', 'unpin', 'refresh']) {
      assert.equal((await run(`${command} nothing`)).code, 1);
      const without = await run(command);
      assert.deepEqual([without.code, without.order], [1, undefined]);
      assert.match(without.stderr, /^Incorrect Usage: missing required argument 'PATTERN'/);
    }
  });

  it('changes nothing by an empty pattern, which may be a variable that was not set', async () => {
    for (const line of ['prune --pattern= --keep 3', 'pin EMPTY', 'unpin EMPTY', 'refresh EMPTY']) {
      const { code, order, stderr } = await run(line);
      assert.deepEqual([code, order], [1, undefined], line);
      assert.match(stderr, /^error \w+ing [a-z ]+: the pattern is empty: to mean every image say \.\n$/);
    }
  });

  it('hands the flags of prune on, and nothing of what the configuration says for the server', async () => {
    const text = 'pruneConfig: { expr: other, dryRun: true }';
    const line = 'prune -config-file FILE -pattern x --date 2026-01-31T23:59:59 --not-used-for 30d --keep 3';
    const { code, order, stderr } = await run(line, { text });
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(order, {
      ...{ pattern: 'x', date: new Date('2026-01-31T23:59:59'), notUsedFor: 30 * 86_400_000, keep: 3 },
      ...{ dryRun: false, output: 'text' },
    });
    const dry = await run('prune -dry-run --output json');
    assert.deepEqual(dry.order, {
      ...{ pattern: '', date: undefined, notUsedFor: undefined, keep: undefined },
      ...{ dryRun: true, output: 'json' },
    });
  });
});

describe('ociregistry check-config', () => {
  it('says that all is well', async () => {
    assert.deepEqual(await run('--config-file FILE check-config', { text: 'port: 1' }), {
      order: undefined,
      code: 0,
      stdout: 'config.yaml: OK\n',
      stderr: '',
      served: undefined,
    });
    assert.equal((await run('check-config --port 1')).stdout, 'no configuration file: OK\n');
  });

  it('warns', async () => {
    const { code, stdout } = await run('check-config --config-file FILE', { text: 'helloWorld: true' });
    assert.deepEqual(
      [code, stdout],
      [0, 'warning: not available in this version yet, and ignored: helloWorld\nconfig.yaml: OK\n'],
    );
  });

  it('tells all mistakes', async () => {
    const { code, stdout, stderr } = await run('check-config --config-file FILE', { text: 'x: 1\nport: -1' });
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(
      stderr,
      'config.yaml:1:1: x: unknown key\nconfig.yaml:2:7: port: must be a whole number from 0 to 65535, not -1\n',
    );
  });

  it('tells what a start would stumble over in the same round as the mistakes', async () => {
    const text = 'x: 1\nlogFile: a.log\n';
    for (const command of ['check-config', 'serve']) {
      const { code, stderr, served } = await run(`${command} --config-file FILE`, {
        text,
        preflight: async ({ config, located }) => {
          assert.equal(config.logFile, 'a.log');
          const message = 'cannot be written';
          return { problems: located([{ path: ['logFile'], message, at: 'value' }]), warnings: [] };
        },
      });
      assert.deepEqual([code, served], [1, undefined]);
      const lines = 'config.yaml:1:1: x: unknown key\nconfig.yaml:2:10: logFile: cannot be written\n';
      assert.equal(stderr, command === 'serve' ? `error getting configuration:\n${lines}` : lines);
    }
  });

  it('says what a start would stumble over, and warns of what it would not', async () => {
    const warned = await run('check-config', finds([], ['a']));
    assert.deepEqual([warned.code, warned.stdout], [0, 'warning: a\nno configuration file: OK\n']);
    const stopped = await run('check-config', finds(['b', 'c'], ['a']));
    assert.deepEqual([stopped.code, stopped.stdout, stopped.stderr], [1, '', 'b\nc\n']);
  });
});
