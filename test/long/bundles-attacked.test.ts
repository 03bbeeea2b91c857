import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { root } from '#test/docs/block.ts';
import { CacheDirectory, problemsOf } from '#test/fakes/cache-directory.ts';
import { layoutFiles } from '#test/fakes/layouts.ts';
import { tarOf } from '#test/fakes/tars.ts';
import { command } from '../e2e/support/command.ts';
import { assertWhole, filled, images, layers, paths } from '../e2e/support/eight-images.ts';
import { Program } from '../e2e/support/program.ts';
import { canMount, smallDisk } from '../e2e/support/small-disk.ts';
import { until } from '../e2e/support/until.ts';

const bin = join(root, 'src/bin.js');
const mebibyte = 1024 * 1024;

describe('an import that is killed', () => {
  it('has imported whole images or nothing of them, and the next goes on', async () => {
    await using source = await filled();
    await source.export(join(source.path, 'bundle'));
    for (const from of [join(source.path, 'bundle'), join(source.path, 'tar.tar')]) {
      if (from.endsWith('.tar')) await source.export(from);
      await using cache = await CacheDirectory.make();
      await using program = new Program(process.execPath, [
        bin,
        '--image-path',
        cache.imagePath,
        'import',
        from,
      ]);
      const blobs = join(cache.imagePath, 'v1/blobs/sha256');
      await until(
        'something came',
        async () => program.hasEnded || (await readdir(blobs).catch(() => [])).length > 4,
      );
      const { hasEnded } = program;
      await program.stop('SIGKILL');
      const blobPaths = layers.map((layer) => `quay.io/team/app/blobs/${sha256(layer)}`);
      const answers = await cache.served(...paths, ...blobPaths);
      for (const [at, layer] of layers.entries())
        if (answers[at]?.[0] === 200) assert.deepEqual(answers[at + layers.length], [200, sha256(layer)]);
      const again = await cache.import([from]);
      assert.ok(
        again.every(({ problem }) => problem === undefined),
        JSON.stringify(problemsOf(again)),
      );
      const came = again.reduce((sum, { tally }) => sum + tally.fetched, 0);
      assert.ok(came < 8 * 4 * mebibyte || hasEnded, `${came} bytes came once more`);
      await assertWhole(cache);
    }
  });
});

describe('a bundle on a disk that is full', {
  skip: canMount() ? false : 'mounting a tmpfs needs root',
}, () => {
  it('is not exported, in one line, and nothing is left of it', async () => {
    await using cache = await filled();
    await using disk = await smallDisk();
    for (const to of ['bundle', 'bundle.tar']) {
      const args = [bin, '--image-path', cache.imagePath, 'export', join(disk.path, to)];
      await assert.rejects(
        command(process.execPath, args),
        /error exporting images: ENOSPC: no space left on device/,
      );
      assert.deepEqual(await readdir(disk.path), []);
    }
  });

  it('is imported as far as there is room, and the rest when there is some', async () => {
    await using source = await filled();
    const to = join(source.path, 'bundle');
    await source.export(to);
    await using disk = await smallDisk();
    const args = [bin, '--image-path', disk.path, 'import', to, '--output', 'json'];
    await using program = new Program(process.execPath, args);
    assert.equal((await program.exited).code, 1);
    const report = JSON.parse(program.lines.join('')) as { images: { ok: boolean; problem?: string }[] };
    const done = report.images.filter(({ ok }) => ok).length;
    assert.ok(done >= 1 && done < 8, `${done} of 8`);
    for (const { ok, problem } of report.images) if (!ok) assert.match(problem ?? '', /no room left/);
    execFileSync('mount', ['-o', 'remount,size=200m', disk.path]);
    await command(process.execPath, args);
  });
});

describe('a directory that another writes while it is imported', () => {
  it('gives whole images, and says what it lacked', async () => {
    await using source = await CacheDirectory.make();
    const serving = [
      bin,
      '--image-path',
      source.imagePath,
      'serve',
      '--air-gapped',
      '--host',
      '127.0.0.1',
      '--port',
      '0',
    ];
    await using server = new Program(process.execPath, serving);
    await until(
      'it has begun',
      async () => server.hasEnded || (await isThere(join(source.imagePath, 'v1/index.json'))),
    );
    await using cache = await CacheDirectory.make();
    const tar = join(source.path, 'in.tar');
    await writeFile(tar, await tarOf(layoutFiles(images)));
    const filling = command(process.execPath, [bin, '--image-path', source.imagePath, 'import', tar]);
    for (let round = 0; round < 2; round += 1)
      for (const { name, problem } of await cache.import([source.imagePath]))
        if (problem !== undefined)
          assert.match(`${name}: ${problem}`, /lacks|no image in it|is missing|cannot be read/);
    await filling;
    await until(
      'its index names all',
      async () =>
        (await readFile(join(source.imagePath, 'v1/index.json'), 'utf8')).split('ref.name').length === 9,
    );
    const last = await cache.import([source.imagePath]);
    assert.ok(
      last.every(({ problem }) => problem === undefined),
      JSON.stringify(problemsOf(last)),
    );
    await assertWhole(cache);
  });
});

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
