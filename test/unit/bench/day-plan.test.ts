import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { dayPlan } from '../../bench/day/day-plan.ts';
import { diskUse } from '../../bench/day/disk-use.ts';
import { temporaryDirectory } from '../../e2e/support/temporary-directory.ts';
import { Random } from '../../simulation/random.ts';

const bytes = 200 * 1024 * 1024;

describe('the plan of a day in the life', () => {
  const { layers, images, pulls } = dayPlan(bytes, new Random(1));

  it('has layers of so many bytes, each in some image', () => {
    const all = layers.reduce((sum, size) => sum + size, 0);
    assert.ok(Math.abs(all - bytes) < layers.length + 16, String(all));
    assert.deepEqual(new Set(images.flat()), new Set(layers.keys()));
    assert.ok(Math.min(...layers) > 0);
  });

  it('pulls each image once at least, and the first ones more often than the last', () => {
    assert.deepEqual(new Set(pulls), new Set(images.keys()));
    const times = (from: number, to: number) => pulls.filter((image) => image >= from && image < to).length;
    assert.ok(times(0, 10) > 4 * times(images.length - 10, images.length));
  });

  it('is the same each time', () => {
    assert.deepEqual(dayPlan(bytes, new Random(1)), { layers, images, pulls });
  });
});

describe('what a directory takes of the disk', () => {
  it('is all below it, and nothing where it has gone', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'a/b');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'one'), Buffer.alloc(10_000, 1));
    await writeFile(join(directory.path, 'two'), Buffer.alloc(5000, 1));
    const used = await diskUse(directory.path);
    assert.ok(used >= 15_000 && used < 100_000, String(used));
    await rm(folder, { recursive: true });
    assert.equal(await diskUse(folder), 0);
  });
});
