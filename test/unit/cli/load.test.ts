import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { type LoadOrder, load } from '#src/cli/load.ts';
import { isOk, jsonOf, lineOf, summaryOf } from '#src/cli/load-report.ts';
import { loadConfig } from '#src/config/load.ts';
import { Tally } from '#src/load/tally.ts';
import { sha256 } from '#src/oci/digest.ts';
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
    { platforms: [], referrers: false, parallel: 2, output },
    {
      ...{ version: '0', env: {}, stdin: Readable.from([]) },
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

describe('what became of images', () => {
  const digest = sha256(Buffer.from('an image'));
  const tally = new Tally();
  const images = [
    { name: 'a.io/a:1', digest, tally },
    { name: 'a.io/b:1', kept: digest, problem: 'upstream answered 503', tally },
    { name: 'a.io/c:1', problem: 'upstream answered 404', tally },
  ];
  const report = { images, problems: [], seconds: 1 };

  it('is a line each, whatever whoever made a tar has called its images', () => {
    const name = 'evil\u001b[2J\nloaded docker.io/library/alpine:3';
    const problem = `${name}: it is no name`;
    assert.equal(
      lineOf({ name, problem, tally }),
      'FAILED evil?[2J?loaded docker.io/library/alpine:3: evil?[2J?loaded docker.io/library/alpine:3: it is no name\n',
    );
  });

  it('is told apart: loaded, kept as before, failed', () => {
    assert.deepEqual(
      images.map((image) => lineOf(image)),
      [
        `loaded a.io/a:1 ${digest}: 0.0 MB fetched, 0.0 MB were there\n`,
        `KEPT a.io/b:1 ${digest}: upstream answered 503\n`,
        'FAILED a.io/c:1: upstream answered 404\n',
      ],
    );
    assert.match(summaryOf(report), /^loaded 1 image in 1.0 s, 1 kept as before, 1 failed: /);
    const { images: shown } = JSON.parse(jsonOf(report)) as { images: { ok: boolean; kept?: string }[] };
    assert.deepEqual(
      shown.map(({ ok, kept }) => [ok, kept]),
      [
        [true, undefined],
        [false, digest],
        [false, undefined],
      ],
    );
  });

  it('is no success where one is kept', () => {
    assert.equal(isOk({ ...report, images: images.slice(0, 1) }), true);
    assert.equal(isOk({ ...report, images: images.slice(0, 2) }), false);
  });

  it('has colours where they are shown', () => {
    const coloured = images.map((image) => lineOf(image, true));
    assert.deepEqual(
      coloured.map((line) => line.includes('\u001b[')),
      [false, true, true],
    );
  });

  it('is gone on with, where it was interrupted', () => {
    assert.match(summaryOf({ ...report, isInterrupted: true }), /^interrupted, to be gone on with/);
  });
});
