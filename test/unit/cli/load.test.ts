import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type LoadOrder, load } from '#src/cli/load.ts';
import { loadConfig } from '#src/config/load.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

/** What the command prints for a list. */
async function run(list: string, output: LoadOrder['output'] = 'text') {
  await using directory = await temporaryDirectory();
  await using upstream = await FakeUpstream.start();
  putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(1_500_000, 1)]);
  await writeFile(join(directory.path, 'images.txt'), list);
  const loaded = await loadConfig({
    flags: {
      registries: [{ name: upstream.host, scheme: 'http', alias: 'up' }],
      imagePath: join(directory.path, 'cache'),
      imageFile: join(directory.path, 'images.txt'),
    },
    env: {},
  });
  let [stdout, stderr] = ['', ''];
  const isOk = await load(
    loaded,
    { platforms: [], referrers: false, output },
    {
      ...{ version: '0', env: {}, stdin: process.stdin },
      stdout: { write: (text) => (stdout += text) },
      stderr: { write: (text) => (stderr += text) },
    },
  );
  return { isOk, stdout, stderr: stderr.replaceAll(directory.path, 'DIR') };
}

describe('ociregistry load', () => {
  it('prints a line for each image and one for all', async () => {
    const { isOk, stdout, stderr } = await run('up/team/app:v1');
    assert.deepEqual([isOk, stderr], [true, '']);
    assert.match(
      stdout,
      /^loaded up\/team\/app:v1 sha256:[0-9a-f]{64}: 1\.5 MB fetched, 0\.0 MB were there\nloaded 1 image in \d+\.\d s: 1\.5 MB fetched, 0\.0 MB were there\n$/,
    );
  });

  it('says what is not loaded, and that all is not', async () => {
    const { isOk, stdout, stderr } = await run('up/team/none:v1\n\nnot a name\nup/team/app:v1');
    assert.equal(isOk, false);
    assert.match(stdout, /^FAILED up\/team\/none:v1: .*404.*$/m);
    assert.match(stdout, /^loaded 1 image in \d+\.\d s, 2 failed: /m);
    assert.match(stderr, /^DIR\/images.txt:3: "not a name": /);
  });

  it('prints one report for programs', async () => {
    const { isOk, stdout } = await run('up/team/app:v1\nup/team/none:v1\nx', 'json');
    const { ok, images, problems } = JSON.parse(stdout) as {
      ok: boolean;
      images: { name: string; ok: boolean; blobs: number; problem?: string }[];
      problems: string[];
    };
    assert.deepEqual([isOk, ok, problems.length], [false, false, 1]);
    const found = images.map(({ name, ok: isLoaded, blobs }) => [name, isLoaded, blobs]);
    assert.deepEqual(found.toSorted(), [
      ['up/team/app:v1', true, 2],
      ['up/team/none:v1', false, 0],
    ]);
  });
});
