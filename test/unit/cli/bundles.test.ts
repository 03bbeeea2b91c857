import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { type ExportCommand, exportCommand } from '#src/cli/export.ts';
import { type ImportCommand, importCommand } from '#src/cli/import.ts';
import { loadConfig } from '#src/config/load.ts';
import { sha256 } from '#src/oci/digest.ts';
import { CacheDirectory } from '#test/fakes/cache-directory.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { builtImage, builtIndex, layoutFiles } from '#test/fakes/layouts.ts';
import { tarOf } from '#test/fakes/tars.ts';

const [one, two] = [builtImage(1, { size: 1_500_000 }), builtImage(2)];
const images = { 'quay.io/team/app:v1': one, 'quay.io/team/app:v2': builtIndex({ amd64: one, arm64: two }) };

/** What the commands print. */
class Printed {
  stdout = '';
  stderr = '';
  readonly #stdout = new Writable({
    write: (chunk: Buffer, _, done) => {
      this.stdout += chunk.toString('latin1');
      done();
    },
  });

  get parts() {
    return {
      ...{ version: '0', env: {}, stdin: process.stdin, stdout: this.#stdout },
      stderr: { write: (text: string) => (this.stderr += text) },
    };
  }
}

const everything: Omit<ExportCommand, 'to'> = {
  ...{ pattern: '', platforms: [], chunkSize: undefined, since: undefined },
  ...{ usedSince: undefined, wanted: undefined, output: 'text' },
};

async function exported(cache: CacheDirectory, command: Partial<ExportCommand> & { to: string }, flags = {}) {
  const printed = new Printed();
  const loaded = await loadConfig({ flags: { ...cache.settings, ...flags }, env: {} });
  const isOk = await exportCommand(loaded, { ...everything, ...command }, printed.parts);
  return { isOk, stdout: printed.stdout.replaceAll(cache.path, 'DIR'), stderr: printed.stderr };
}

async function imported(cache: CacheDirectory, command: Partial<ImportCommand> & { paths: string[] }) {
  const printed = new Printed();
  const loaded = await loadConfig({ flags: cache.settings, env: {} });
  const order: ImportCommand = { host: undefined, platforms: [], output: 'text', ...command };
  const isOk = await importCommand(loaded, order, printed.parts);
  return { isOk, stdout: printed.stdout.replaceAll(cache.path, 'DIR'), stderr: printed.stderr };
}

describe('ociregistry import', () => {
  it('prints a line for each image and one for all', async () => {
    await using cache = await CacheDirectory.make();
    const layout = await cache.folder('layout', layoutFiles(images));
    const { isOk, stdout, stderr } = await imported(cache, { paths: [layout, join(cache.path, 'none')] });
    assert.deepEqual([isOk, stderr], [false, '']);
    assert.match(stdout, /^FAILED DIR\/none: there is no such file or folder$/m);
    assert.match(
      stdout,
      /^imported quay.io\/team\/app:v1 sha256:[0-9a-f]{64}: 1\.5 MB came, 0\.0 MB were there$/m,
    );
    assert.match(stdout, /^imported 2 images in \d+\.\d s, 1 failed: 1\.7 MB came, 0\.0 MB were there\n$/m);
  });

  it('prints once what is wrong with a tar, and counts the images that it costs', async () => {
    await using cache = await CacheDirectory.make();
    const tar = join(cache.path, 'cut.tar');
    const three = { ...images, 'quay.io/team/app:v3': two };
    // Within the first of its layers.
    await writeFile(tar, (await tarOf(layoutFiles(three))).subarray(0, 1_000_000));
    const { isOk, stdout } = await imported(cache, { paths: [tar] });
    const [told, summary, ...more] = stdout.trimEnd().split('\n');
    assert.equal(isOk, false);
    assert.match(
      told ?? '',
      /^FAILED DIR\/cut\.tar: the tar .* "blobs\/.*; not whole without it: quay\.io\/team\/app:v1, quay/,
    );
    assert.match(summary ?? '', /^imported 0 images in \d+\.\d s, 3 failed: 1\.0 MB came, /);
    assert.deepEqual(more, []);
    const json = JSON.parse((await imported(cache, { paths: [tar], output: 'json' })).stdout) as {
      images: { costs: string[] }[];
    };
    assert.deepEqual(
      json.images.map(({ costs }) => costs),
      [Object.keys(three)],
    );
  });

  it('prints no name that is none as it is', async () => {
    await using cache = await CacheDirectory.make();
    const name = `quay.io/\u001b[2J\nimported x${'y'.repeat(9000)}:v1`;
    const { stdout } = await imported(cache, {
      paths: [await cache.folder('layout', layoutFiles({ [name]: one }))],
    });
    assert.equal(stdout.slice(0, 40), 'FAILED quay.io/?[2J?imported xyyyyyyyyyyy'.slice(0, 40));
    assert.equal(stdout.split('\n').length, 3);
    assert.ok(stdout.length < 5000);
  });

  it('prints one report for programs, also of nothing', async () => {
    await using cache = await CacheDirectory.make();
    const layout = await cache.folder('layout', layoutFiles(images));
    const { stdout } = await imported(cache, { paths: [layout], output: 'json' });
    const report = JSON.parse(stdout) as {
      ok: boolean;
      images: { name: string; ok: boolean; blobs: number }[];
    };
    assert.deepEqual(
      [report.ok, report.images.map(({ name, ok, blobs }) => [name, ok, blobs])],
      [true, Object.keys(images).map((name, at) => [name, true, at === 0 ? 2 : 4])],
    );
    const none = JSON.parse((await imported(cache, { paths: [], output: 'json' })).stdout) as object;
    assert.deepEqual(Object.entries(none).slice(0, 2), [
      ['images', []],
      ['ok', true],
    ]);
  });
});

describe('ociregistry export', () => {
  async function filled(): Promise<CacheDirectory> {
    const cache = await CacheDirectory.make();
    await cache.import([await cache.folder('layout', layoutFiles(images))]);
    return cache;
  }

  it('prints a line for each image and one for all, beside a tar on standard output', async () => {
    await using cache = await filled();
    const pattern = ':v1$';
    const file = await exported(cache, { to: join(cache.path, 'a.tar'), pattern });
    assert.match(
      file.stdout,
      /^exported quay.io\/team\/app:v1 sha256:[0-9a-f]{64}: 1\.5 MB written, 0\.0 MB were in it\nexported 1 image in \d+\.\d s: 1\.5 MB written, 0\.0 MB were in it\n$/,
    );
    const stream = await exported(cache, { to: '-', pattern });
    assert.match(stream.stderr, /^exported quay.io\/team\/app:v1 .*\nexported 1 image /);
    assert.equal(stream.stdout.slice(257, 262), 'ustar');
  });

  it('says what it was asked for and has not', async () => {
    await using cache = await filled();
    const to = join(cache.path, 'a.tar');
    await assert.rejects(exported(cache, { to, pattern: 'other' }), /no image could be exported/);
    await assert.rejects(exported(cache, { to, pattern: '(' }), /"\(" is no regular expression/);
    await assert.rejects(
      exported(cache, { to: join(cache.path, 'a'), chunkSize: 2_000_000 }),
      /end in .tar$/,
    );
    await using empty = await CacheDirectory.make();
    await assert.rejects(exported(empty, { to }), /nothing is cached in /);
  });

  it('pulls what was wanted, and exports that alone', async () => {
    await using cache = await filled();
    await using upstream = await FakeUpstream.start();
    putImage(upstream.content, upstream.repository('team/new'), 'v1', [bytes(5000)]);
    const { digest } = putImage(upstream.content, upstream.repository('team/new'), 'v2', [
      bytes(6000),
    ]).manifest;
    const flags = { airGapped: false, registries: [{ name: upstream.host, scheme: 'http' }] };
    const names = [`${upstream.host}/team/new:v1`, `${upstream.host}/team/new@${digest}`];
    const lists = {
      'a.txt': `# wanted\n${names.join('\n')}\n${upstream.host}/team/none:v1\n`,
      'a.json': JSON.stringify({
        wanted: [...names, `${upstream.host}/team/none:v1`].map((reference) => ({ reference })),
      }),
    };
    for (const [name, text] of Object.entries(lists)) {
      const wanted = join(cache.path, name);
      await writeFile(wanted, text);
      const { isOk, stdout } = await exported(cache, { to: join(cache.path, `${name}.tar`), wanted }, flags);
      assert.equal(isOk, false);
      assert.match(stdout, /^FAILED \S+\/team\/none:v1: /m);
      const done = stdout.matchAll(/^exported (\S+) sha256/gm).map(([, image]) => image);
      assert.deepEqual([...done].sort(), names.toSorted());
    }
  });

  it('exports by its digest what was wanted by it, though a tag and an index lead there', async () => {
    await using cache = await filled();
    const names = [one, two].map(({ manifest }) => `quay.io/team/app@${sha256(manifest)}`);
    const wanted = join(cache.path, 'wanted.txt');
    await writeFile(wanted, names.join('\n'));
    const { isOk, stdout } = await exported(cache, { to: join(cache.path, 'a.tar'), wanted });
    const done = stdout.matchAll(/^exported (\S+) sha256/gm).map(([, image]) => image);
    assert.deepEqual([isOk, [...done].sort()], [true, names.toSorted()]);
  });
});
