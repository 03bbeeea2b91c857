import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { asked } from '#test/fakes/token-app.ts';
import { type FourDoors, fourDoors, program, user } from '../e2e/support/four-doors.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs } from '../setup/needs.ts';
import { inFolder } from './in-folder.ts';

const rules =
  '- rule: triage\n  desc: a shell\n  condition: evt.type = execve\n  output: a shell\n  priority: NOTICE\n';
const plain = '--plain-http';

/** The commands of the seed, in their order: each goes on from what those before it did. */
describe('falcoctl at the four doors', needs('falcoctl', 'redis-server'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let doors: FourDoors;
  let folder: string;
  let falcoctl: (...args: readonly string[]) => Promise<string>;
  let doubting: (...args: readonly string[]) => Promise<string>;

  before(async () => {
    doors = resources.use(await fourDoors());
    folder = resources.use(await temporaryDirectory()).path;
    await mkdir(join(folder, '.config/falcoctl'), { recursive: true });
    await writeFile(join(folder, 'triage.yaml'), rules);
    // Without indexes of its own it asks for those of its makers.
    await writeFile(join(folder, 'falcoctl.yaml'), 'indexes: []\n');
    const run = (env: Readonly<Record<string, string>>) => {
      const inIt = inFolder('falcoctl', folder, env);
      return async (...args: readonly string[]): Promise<string> =>
        await inIt(...args, '--config', join(folder, 'falcoctl.yaml'));
    };
    doubting = run({});
    falcoctl = run({ SSL_CERT_FILE: doors.caFile });
  });

  const push = ['--type', 'rulesfile', '--version', '7.0.0'];

  /** What is pulled is an archive of the file. */
  async function pulledTo(name: string, into: string, ...how: readonly string[]): Promise<string> {
    await mkdir(join(folder, into), { recursive: true });
    return await falcoctl('registry', 'pull', name, '--dest-dir', join(folder, into), ...how);
  }

  it('registry auth basic: a user, by TLS alone', async () => {
    const { basic } = doors.hosts;
    const login = ['registry', 'auth', 'basic', basic, '-u', user.name, '-p'];
    await assert.rejects(async () => await doubting(...login, user.password), /x509|certificate/);
    await assert.rejects(async () => await falcoctl(...login, 'wrong'), /401|unauthorized/i);
    await falcoctl(...login, user.password);
  });

  it('registry push and pull, by the door of users', async () => {
    const name = `${doors.hosts.basic}/test:7.0.0`;
    await falcoctl('registry', 'push', name, 'triage.yaml', ...push);
    await pulledTo(name, 'by-basic');
    await assert.rejects(
      async () =>
        await falcoctl('registry', 'push', `${doors.hosts.basic}/elsewhere:1`, 'triage.yaml', ...push),
      /400: Bad Request/,
    );
  });

  it('registry auth oauth: a program, whose id and secret are shown to the door of tokens', async () => {
    const { oauth, tokens } = doors.hosts;
    const login = async (secret: string): Promise<string> =>
      await falcoctl(
        ...['registry', 'auth', 'oauth', oauth, `--client-id=${program.id}`, `--client-secret=${secret}`],
        ...[`--token-url=http://${tokens}/token`, '--scopes=my-scope'],
      );
    await assert.rejects(
      async () => await pulledTo(`${oauth}/test:7.0.0`, 'nobody', plain),
      /40[15]|unauthorized/i,
    );
    await assert.rejects(async () => await login('wrong'), /invalid_client|wrong client credentials/);
    await login(program.secret);
  });

  it('registry push and pull, by the door of programs, which has the content of the other', async () => {
    const { oauth } = doors.hosts;
    await doors.wait();
    await pulledTo(`${oauth}/test:7.0.0`, 'by-oauth', plain);
    await doors.wait();
    await falcoctl(
      'registry',
      'push',
      `${oauth}/apps/triage:7.0.0`,
      'triage.yaml',
      ...push,
      '--tag',
      '7',
      plain,
    );
    await doors.wait();
    await pulledTo(`${oauth}/apps/triage:7`, 'by-tag', plain);
  });

  it('index add, artifact search and artifact install, by the index files', async () => {
    const { oauth, files } = doors.hosts;
    const entry = {
      ...{ name: 'triage', type: 'rulesfile', registry: oauth, repository: 'apps/triage' },
      ...{ description: 'rules', home: 'https://triage.test', keywords: ['triage'], license: 'Apache-2.0' },
      ...{ maintainers: [], sources: [] },
    };
    await writeFile(join(doors.indexes, 'index.yaml'), JSON.stringify([entry]));
    await falcoctl('index', 'add', 'ours', `http://${files}/index.yaml`);
    assert.match(await falcoctl('index', 'list'), /ours/);
    assert.match(await falcoctl('artifact', 'search', 'triage'), /ours\s+triage\s+rulesfile/i);
    for (const name of ['rules', 'state']) await mkdir(join(folder, name));
    await doors.wait();
    await falcoctl(
      ...['artifact', 'install', 'triage:7.0.0', plain],
      ...['--rulesfiles-dir', join(folder, 'rules'), '--state-dir', join(folder, 'state')],
    );
    assert.equal(await readFile(join(folder, 'rules/triage.yaml'), 'utf8'), rules);
  });

  it('is refused the sixteenth request of a minute, and shown it; in the next minute it comes in again', async () => {
    const { oauth } = doors.hosts;
    const pull = async (): Promise<string> => await pulledTo(`${oauth}/test:7.0.0`, 'limited', plain);
    await doors.wait();
    await pull();
    const key = `${program.id}|${doors.minute()}`;
    const { count = 0, left = 0 } = (await doors.redis.counts()).get(key) ?? {};
    assert.ok(count > 0 && count < 15 && left > 0 && left <= 59, JSON.stringify({ count, left }));
    const headers = { authorization: `Bearer ${await doors.token()}` };
    for (let at = count; at < 15; at += 1)
      assert.equal((await asked(`http://${oauth}/v2/`, { headers })).status, 200);
    await assert.rejects(pull, /429|toomanyrequests|more than 15 requests/i);
    assert.equal((await doors.redis.counts()).get(key)?.count, 16);
    await doors.wait();
    await pull();
  });
});
