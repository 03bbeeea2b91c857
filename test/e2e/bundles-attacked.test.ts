import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { root } from '#test/docs/block.ts';
import { filled } from './support/eight-images.ts';
import { Program } from './support/program.ts';
import { until } from './support/until.ts';

const bin = join(root, 'src/bin.js');
const mebibyte = 1024 * 1024;

describe('an export that is killed', () => {
  it('leaves nothing under the last name, and does not stand in the way of the next', async () => {
    await using cache = await filled();
    for (const to of ['bundle', 'bundle.tar']) {
      const args = [bin, '--image-path', cache.imagePath, 'export', join(cache.path, to)];
      await using program = new Program(process.execPath, args);
      const hasBegun = async () => {
        const names = (await readdir(cache.path)).filter((name) => name.startsWith(`${to}.partial-`));
        for (const name of names) {
          const status = await stat(join(cache.path, name));
          if (status.isDirectory() || status.size > mebibyte) return true;
        }
        return program.hasEnded;
      };
      await until('it writes', hasBegun);
      await program.stop('SIGKILL');
    }
    const names = await readdir(cache.path);
    assert.ok(!names.includes('bundle.json'), 'killed before its end');
    const rest = await cache.export(join(cache.path, 'next.tar'));
    assert.ok(rest.images.every(({ problem }) => problem === undefined));
  });
});

describe('a bundle to other programs', () => {
  it('is a tar that tar reads, in several parts too', async () => {
    await using cache = await filled();
    await cache.export(join(cache.path, 'b.tar'), { chunkSize: 10 * mebibyte });
    const parts = (await readdir(cache.path)).filter((name) => name.startsWith('b.tar.'));
    assert.equal(parts.length, 4);
    const files = parts.flatMap((name) =>
      execFileSync('tar', ['-tf', join(cache.path, name)], { encoding: 'utf8' })
        .trim()
        .split('\n'),
    );
    assert.equal(files.length, 8 * 3 + 3);
    assert.deepEqual(files.slice(-3), ['oci-layout', 'index.json', 'bundle.json']);
    execFileSync('tar', ['-xf', join(cache.path, parts[0] ?? ''), '-C', cache.path]);
    for (const name of files.slice(0, 3))
      assert.equal(sha256(await readFile(join(cache.path, name))).slice(7), name.split('/').at(-1));
  });
});
