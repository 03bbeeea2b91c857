import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { root } from '#test/docs/block.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { find } from '../setup/components.ts';
import { Program } from './support/program.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const bin = join(root, 'src/bin.js');
/** util-linux's, whose option -c it is. */
const script = find('script');
const isThere = script !== undefined && spawnSync(script, ['--version']).stdout.includes('util-linux');

/** What `load` prints on a terminal of its own, while an image comes for half a second. */
async function printed(env: Readonly<Record<string, string>>, after = ''): Promise<string> {
  await using directory = await temporaryDirectory();
  await using upstream = await FakeUpstream.start();
  putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(1_500_000, 1)]);
  upstream.faults.push(async ({ path }, next) => {
    if (path.includes('/blobs/')) await new Promise((resolve) => setTimeout(resolve, 600));
    return await next();
  });
  const { path } = directory;
  const registries = [{ name: upstream.host, scheme: 'http', alias: 'up' }];
  await writeFile(join(path, 'config.yaml'), JSON.stringify({ registries, imagePath: join(path, 'cache') }));
  await writeFile(join(path, 'images.txt'), 'up/team/app:v1\nup/team/none:v1\n');
  const load = [process.execPath, bin, '--config-file', join(path, 'config.yaml')];
  const line = [...load, 'load', '--image-file', join(path, 'images.txt')].join(' ');
  const set = Object.entries(env)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
  const text =
    `stty cols 100 rows 30; env -u FORCE_COLOR -u NO_COLOR -u CI TERM=xterm ${set} ${line}${after}`.replaceAll(
      'REPORT',
      join(path, 'report.json'),
    );
  const args = ['--quiet', '--return', '--command', text, '/dev/null'];
  await using program = new Program(script ?? '', args);
  assert.equal((await program.exited).code, 1);
  return program.lines.join('\n').replaceAll('\u001b', 'ESC');
}

/** Without what steers the terminal. */
function plainOf(output: string): string {
  return stripVTControlCharacters(output.replaceAll('ESC', '\u001b'));
}

describe('load on a terminal', { skip: isThere ? false : 'script of util-linux is not installed' }, () => {
  it('shows what runs, and leaves a line for each image and one for all', async () => {
    const output = await printed({});
    assert.match(output, /0 of 2 done|1 of 2 done, 1 failed/);
    assert.match(output, /up\/team\/app:v1 {2}0\.0 of 1\.5 MB/);
    assert.match(output, /ESC\[31mFAILEDESC\[39m up\/team\/none:v1/);
    const text = plainOf(output);
    assert.match(text, /loaded up\/team\/app:v1 sha256:[0-9a-f]{64}: 1\.5 MB fetched/);
    assert.match(text, /loaded 1 image in \d+\.\d s, 1 failed: /);
    assert.doesNotMatch(output, /ESC\[\?25l/, 'the cursor stays');
  });

  it('shows no colours where none are wanted, and plain lines to a machine', async () => {
    const plain = await printed({ NO_COLOR: '1' });
    assert.match(plain, /of 2 done/);
    assert.doesNotMatch(plain, /ESC\[3\dm/);
    const machine = await printed({ CI: 'true', NO_COLOR: '1' });
    assert.doesNotMatch(machine, /ESC|of 2 done/);
    assert.match(machine, /^loaded up\/team\/app:v1 /m);
  });

  it('writes the same JSON into a file', async () => {
    const output = await printed({}, ' --output json > REPORT; code=$?; cat REPORT; exit $code');
    const text = plainOf(output);
    const json = text.slice(text.indexOf('{\n'));
    assert.equal((JSON.parse(json) as { ok: boolean }).ok, false);
    assert.match(output, /of 2 done/);
  });
});
