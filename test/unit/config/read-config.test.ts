import assert from 'node:assert/strict';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Flags, type ReadConfig, readConfig } from '#src/config/load.ts';
import type { Path } from '#src/config/schema-tree.ts';

type Read = ReadConfig & { readonly told: (...path: Path) => string[] };

/** What is read of these lines of `config.yaml`, and what would be told of a key of it then. */
async function read(lines: readonly string[], flags: Flags = {}): Promise<Read> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'config-'));
  const file = join(directory.path, 'config.yaml');
  await writeFile(file, lines.join('\n'));
  const { problems, rest } = await readConfig({ file, flags, env: {} });
  const named = (texts: readonly string[]) => texts.map((text) => text.replace(file, 'config.yaml'));
  return {
    problems: named(problems),
    rest,
    told: (...path) => named(rest?.located([{ path, message: 'no', at: 'value' }]) ?? []),
  };
}

describe('all that is wrong of a configuration', () => {
  it('is told in one round, be it of its keys, of YAML that is not taken or of a file that it names', async () => {
    const { problems, rest } = await read([
      'port: 70000',
      'logFile: &log a.log',
      'imagePath: *log',
      'helloWrld: true',
      'registries:',
      '  - { name: a.io, auth: { user: u, passwordFile: /no/such/password } }',
      '  - *another',
      '  - { <<: *another, name: b.io }',
    ]);
    assert.deepEqual(problems, [
      'config.yaml:1:7: port: must be a whole number from 0 to 65535, not 70000',
      'config.yaml:3:12: imagePath: aliases are not supported: write out what it stands for',
      'config.yaml:4:1: helloWrld: unknown key; did you mean "helloWorld"?',
      'config.yaml:6:50: registries[0].auth.passwordFile: the file "/no/such/password": no such file',
      'config.yaml:7:5: registries[1]: aliases are not supported: write out what it stands for',
      'config.yaml:8:7: registries[2]["<<"]: merge keys are not supported: write out what would be merged',
    ]);
    assert.equal(rest?.config.logFile, 'a.log');
  });

  it('is not told of a default that stands in the place of an alias', async () => {
    const { told } = await read(['imagePath: *a', 'logFile: a.log']);
    assert.deepEqual([told('imagePath'), told('logFile')], [[], ['config.yaml:2:10: logFile: no']]);
  });
});

describe('what is right of a configuration', () => {
  it('is had beside what is wrong, with defaults in its place', async () => {
    const { problems, rest } = await read([
      'port: x',
      'logFile: a.log',
      'cache: { onGone: never, complete: false }',
    ]);
    assert.equal(problems.length, 2);
    const { port, logFile, cache } = rest?.config ?? {};
    assert.deepEqual([port, logFile, cache?.onGone, cache?.complete], [8080, 'a.log', 'serve', false]);
  });

  it('keeps the places of its registries where others are nothing', async () => {
    const lines = [
      'registries:',
      '  - alias: nameless',
      '  - { name: a.io, colour: red, tls: { ca: a.pem } }',
      '  - { name: A.io, tls: { ca: a.pem } }',
      '  - { name: b.io, scheme: ftp, tls: { ca: b.pem } }',
    ];
    const { problems, rest, told } = await read(lines);
    assert.equal(problems.length, 4);
    assert.deepEqual(
      rest?.config.registries.map(({ name, scheme, tls }) => [name, scheme, tls.ca]),
      [
        ['a.io', 'https', 'a.pem'],
        ['b.io', 'https', 'b.pem'],
      ],
    );
    assert.deepEqual(told('registries', 0, 'tls', 'ca'), ['config.yaml:3:43: registries[1].tls.ca: no']);
    assert.deepEqual(told('registries', 1, 'tls', 'ca'), ['config.yaml:5:43: registries[3].tls.ca: no']);
  });

  it('tells nothing of a key by the default of what is wrong there', async () => {
    const { told } = await read(['port: x', 'health: 8081']);
    assert.deepEqual(told('port'), []);
    assert.deepEqual(told('health'), ['config.yaml:2:9: health: no']);
  });

  it('is had where a file with a password is missing, or what is refused is set', async () => {
    const { problems, rest } = await read([
      'registries:',
      '  - name: a.io',
      '    auth: { user: u, passwordFile: /no/such/file }',
      'policy: [{ colour: red }]',
    ]);
    assert.deepEqual(problems.slice(0, 1), [
      'config.yaml:3:36: registries[0].auth.passwordFile: the file "/no/such/file": no such file',
    ]);
    assert.deepEqual(
      rest?.config.registries.map(({ auth }) => [auth.user, auth.password]),
      [['u', undefined]],
    );
  });

  it('is nothing of what is no mapping', async () => {
    assert.equal((await read(['- a'])).rest, undefined);
  });
});

describe('a problem is told by where the value is from: ', () => {
  it('a flag', async () => {
    assert.deepEqual((await read(['port: 1'], { port: 2 })).told('port'), ['--port: no']);
  });

  it('the file', async () => {
    assert.deepEqual((await read(['port: 1'])).told('port'), ['config.yaml:1:7: port: no']);
  });

  it('the default, with a file and without one', async () => {
    assert.deepEqual((await read(['health: 1'])).told('port'), ['config.yaml: port (by default): no']);
    const { rest } = await readConfig({ flags: {}, env: {} });
    assert.deepEqual(rest?.located([{ path: ['port'], message: 'no', at: 'value' }]), [
      'port (by default): no',
    ]);
  });
});
