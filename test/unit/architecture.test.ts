import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';

const src = join(import.meta.dirname, '../../src');

/** Which rooms a room may import from, besides itself and the shelf. Rooms that are not named may import anything. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  oci: [],
  config: ['oci'],
  observe: ['oci'],
  storage: ['oci'],
  upstream: ['oci'],
  cache: ['oci', 'storage'],
  registry: ['oci', 'storage', 'cache', 'observe'],
  http: ['oci', 'observe'],
};
/** Small files beside the rooms that anyone may use, and that use no room but the vocabulary. */
const shelf = new Set([
  'clock.ts',
  'log.ts',
  'abortable.ts',
  'stopwatch.ts',
  'time-limit.ts',
  'in-turns.ts',
  'turn-queue.ts',
  'json-pieces.ts',
  'json-reader.ts',
  'json-thread.ts',
]);
/** Inside the stores' room the others see the interfaces only. */
const storageInterfaces = new Set(['storage/blob-store.ts', 'storage/metadata-store.ts']);

function mayImport(from: string, to: string): boolean {
  const [room = '', ...rest] = from.split('/');
  const target = to.split('/')[0] ?? '';
  if (rest.length === 0) return !shelf.has(room) || shelf.has(to) || to.startsWith('oci/');
  const rooms = allowed[room];
  if (rooms === undefined || target === room || shelf.has(to)) return true;
  return rooms.includes(target) && (target !== 'storage' || storageInterfaces.has(to));
}

/** Pairs of paths below src: who imports whom. */
async function imports(): Promise<[from: string, to: string][]> {
  const pairs: [string, string][] = [];
  for await (const file of glob('**/*.ts', { cwd: src })) {
    const text = await readFile(join(src, file), 'utf8');
    for (const [, target = ''] of text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)) {
      pairs.push([file, normalize(join(dirname(file), target))]);
    }
  }
  return pairs;
}

/** All that Node loads with a file: its imports and theirs, without types and what is imported while it runs. */
async function loadedBy(first: string): Promise<Set<string>> {
  const loaded = new Set([first]);
  for (const file of loaded) {
    const text = await readFile(join(src, file), 'utf8');
    for (const [, what = '', target = ''] of text.matchAll(
      /^(?:import|export)\s([^'"]*?)\s?from\s'(\.[^']+)'/gm,
    )) {
      if (!what.startsWith('type ')) loaded.add(normalize(join(dirname(file), target)));
    }
  }
  return loaded;
}

describe('the direction of imports', () => {
  it('is one: the vocabulary imports nothing, concrete parts meet in the composition root', async () => {
    const pairs = await imports();
    assert.ok(pairs.length > 50);
    const wrong = pairs.filter(([from, to]) => !mayImport(from, to));
    assert.deepEqual(wrong, []);
  });

  it('loads neither server nor doctor before they are asked for, and the server without the doctor', async () => {
    const first = await loadedBy('cli/main.ts');
    assert.ok(first.has('config/load.ts'));
    const early = [...first].filter((file) =>
      /^(?:app|http|upstream|doctor)\/|^cli\/(?:serve|doctor)/.test(file),
    );
    assert.deepEqual(early, []);
    const serving = await loadedBy('cli/serve.ts');
    assert.ok(serving.has('upstream/upstream.ts'));
    assert.deepEqual(
      [...serving].filter((file) => file.startsWith('doctor/')),
      [],
    );
  });

  it('is checked by rules that would catch a wrong one', () => {
    assert.equal(mayImport('oci/error.ts', 'http/router.ts'), false);
    assert.equal(mayImport('cache/blob-fill.ts', 'storage/file/file-blob-store.ts'), false);
    assert.equal(mayImport('cache/blob-fill.ts', 'storage/blob-store.ts'), true);
    assert.equal(mayImport('http/router.ts', 'cache/blob-fill.ts'), false);
    assert.equal(mayImport('clock.ts', 'cache/blob-fill.ts'), false);
    assert.equal(mayImport('app.ts', 'storage/file/file-blob-store.ts'), true);
  });
});
