import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';

const src = join(import.meta.dirname, '../../src');

/** What every other room may use: the shelf of small mechanisms, and the specification's vocabulary. Neither uses anything. */
const ground = ['base', 'oci'];
/**
 * Which other rooms a room may import from, besides the ground: folders, and folders inside them as rooms of their own. From the ground up:
 * a room uses what stands above it in this list.
 */
const allowed: Readonly<Record<string, readonly string[]>> = {
  base: [],
  oci: [],
  values: [],
  json: [],
  observe: [],
  process: [],
  net: [],
  'net/dial': ['net'],
  'net/wire': ['net', 'net/dial'],
  credentials: [],
  'credentials/providers': ['values', 'json', 'net', 'net/dial', 'credentials'],
  config: ['values', 'credentials/providers'],
  'upstream/auth': ['json', 'net', 'net/dial', 'credentials'],
  'upstream/limits': ['net', 'upstream/auth'],
  upstream: ['json', 'net', 'net/dial', 'net/wire', 'credentials', 'upstream/auth', 'upstream/limits'],
  storage: [],
  'storage/file': ['storage'],
  'storage/memory': ['storage'],
  'storage/sqlite': ['json', 'storage'],
  'cache/fills': ['storage'],
  'cache/memory': ['json', 'observe', 'storage', 'cache/fills'],
  'cache/completion': ['storage', 'cache/fills', 'cache/memory'],
  verify: ['storage'],
  cache: ['observe', 'storage', 'cache/fills', 'cache/memory', 'cache/completion', 'verify'],
  registry: ['observe'],
  retention: ['observe', 'storage'],
  catalog: ['storage'],
  load: ['json', 'storage'],
  'load/archive': ['json', 'storage', 'cache/memory', 'load'],
  hosted: ['json', 'observe', 'storage', 'cache/memory'],
  rebuild: ['json', 'storage', 'cache/memory'],
  bundle: ['json', 'storage', 'load', 'load/archive'],
  'http/exchange': ['json', 'observe'],
  'http/handlers': ['http/exchange'],
  http: ['observe', 'http/exchange', 'http/handlers'],
  door: [],
  'door/identity': ['door'],
  'door/tokens': ['json', 'net', 'door', 'door/identity', 'http/exchange'],
  'door/grants': ['door', 'door/identity', 'door/tokens', 'http/exchange'],
  notify: ['observe', 'net', 'storage', 'http/exchange'],
  admin: ['values', 'storage', 'http/exchange', 'retention', 'door'],
  'door/rules': ['door'],
  'door/rate': ['door'],
  'door/rights': ['door', 'door/identity'],
  app: [
    ...[
      'values',
      'process',
      'config',
      'observe',
      'net',
      'net/dial',
      'net/wire',
      'credentials',
      'credentials/providers',
    ],
    ...['upstream', 'storage', 'storage/file', 'storage/memory', 'storage/sqlite', 'cache', 'cache/memory'],
    ...['registry', 'retention', 'verify', 'load', 'load/archive', 'hosted', 'rebuild', 'bundle', 'http'],
    ...['http/exchange', 'http/handlers', 'notify', 'catalog', 'admin'],
    ...['door', 'door/identity', 'door/tokens', 'door/grants', 'door/rights', 'door/rules', 'door/rate'],
  ],
  'app/preflight': ['config', 'credentials/providers', 'app'],
  doctor: ['config', 'net', 'net/dial', 'credentials', 'upstream', 'http', 'app'],
  cli: [
    ...['values', 'process', 'config', 'observe', 'net/dial', 'storage', 'retention', 'load', 'bundle'],
    ...['admin', 'app', 'app/preflight', 'doctor'],
  ],
  reference: ['config', 'observe', 'admin', 'cli'],
  start: ['process', 'cli'],
};
/** The room of a file: its folder. Beside the rooms is where the process starts. */
function roomOf(file: string): string {
  return dirname(file) === '.' ? 'start' : dirname(file);
}

function mayImport(from: string, to: string): boolean {
  const [room, target] = [roomOf(from), roomOf(to)];
  if (room === target) return true;
  return (ground.includes(target) && !ground.includes(room)) || (allowed[room]?.includes(target) ?? false);
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

/** Those that lie on a circle, or between two: what is left when files that import nothing more, or that nobody imports any more, are taken away. */
function onCircles(pairs: readonly [from: string, to: string][]): string[] {
  let left = pairs;
  for (let before = 0; before !== left.length; ) {
    before = left.length;
    const importing = new Set(left.map(([from]) => from));
    const imported = new Set(left.map(([, to]) => to));
    left = left.filter(([from, to]) => imported.has(from) && importing.has(to));
  }
  return [...new Set(left.flat())].toSorted();
}

/** All that Node loads with a file: its imports and theirs, packages too, without types and what is imported while it runs. */
async function loadedBy(first: string): Promise<Set<string>> {
  const loaded = new Set([first]);
  for (const file of loaded) {
    if (!file.endsWith('.ts')) continue;
    const text = await readFile(join(src, file), 'utf8');
    for (const [, what = '', target = ''] of text.matchAll(
      /^(?:import|export)\s([^'"]*?)\s?from\s'([^']+)'/gm,
    )) {
      if (what.startsWith('type ')) continue;
      loaded.add(target.startsWith('.') ? normalize(join(dirname(file), target)) : target);
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

  it('has a rule for every room, and no rule that nobody needs', async () => {
    const pairs = await imports();
    const used = new Set(pairs.map(([from, to]) => `${roomOf(from)} ${roomOf(to)}`));
    assert.deepEqual(
      [...new Set(pairs.flat().map(roomOf))].filter((room) => !(room in allowed)),
      [],
    );
    const rules = Object.entries(allowed).flatMap(([room, rooms]) =>
      rooms.map((other) => `${room} ${other}`),
    );
    assert.deepEqual(
      rules.filter((rule) => !used.has(rule)),
      [],
    );
  });

  it('goes one way: a room uses what stands above it, so that there is no circle of two or of more', () => {
    const rooms = Object.keys(allowed);
    const backwards = Object.entries(allowed).flatMap(([room, others]) =>
      others
        .filter((other) => rooms.indexOf(other) >= rooms.indexOf(room))
        .map((other) => `${room} ${other}`),
    );
    assert.deepEqual(backwards, []);
  });

  it('goes one way inside each room too: files make no circle, not even by their types', async () => {
    assert.deepEqual(onCircles(await imports()), []);
  });

  it('is checked by what would find a circle, and what lies behind none', () => {
    const circle: [string, string][] = [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'd'],
      ['d', 'b'],
      ['d', 'e'],
      ['f', 'f'],
    ];
    assert.deepEqual(onCircles(circle), ['b', 'c', 'd', 'f']);
    assert.deepEqual(onCircles(circle.slice(0, 3)), []);
  });

  it('loads neither server nor doctor before they are asked for, and the server without the doctor', async () => {
    const first = await loadedBy('cli/main.ts');
    assert.ok(first.has('config/load.ts'));
    const early = [...first].filter((file) =>
      /^(?:app|http|upstream|doctor)\/|^cli\/(?:serve|doctor)/.test(file),
    );
    assert.deepEqual(early, []);
    assert.ok(first.has('credentials/providers/ecr.ts'));
    assert.deepEqual(
      [...first].filter((file) =>
        /^(?:@aws-sdk|undici|better-sqlite3|express|net\/(?!dial\/address))/.test(file),
      ),
      [],
    );
    const serving = await loadedBy('cli/serve.ts');
    assert.ok(serving.has('upstream/upstream.ts'));
    assert.deepEqual(
      [...serving].filter((file) => file.startsWith('doctor/')),
      [],
    );
  });

  it('loads of the server what few configurations ask for where one does, and neither undici nor what Node has beside its server', async () => {
    const serving = await loadedBy('cli/serve.ts');
    const before = ['cli/main.ts', 'app/preflight/preflight.ts'].map(loadedBy);
    const early = [serving, ...(await Promise.all(before))]
      .flatMap((loaded) => [...loaded])
      .filter((file) =>
        /^(?:bundle\/(?!original-folders)|load\/archive\/|app\/(?:import|load|preload|rebuild|scrub|incoming|catalog-sync)\.|door\/identity\/|door\/tokens\/|app\/identity\.|tar-stream|re2js|undici|jose|bcryptjs|@redis|node:http$)/.test(
          file,
        ),
      );
    assert.deepEqual(early, []);
  });

  it('is checked by rules that would catch a wrong one', () => {
    assert.equal(mayImport('oci/error.ts', 'http/router.ts'), false);
    assert.equal(mayImport('cache/fills/blob-fill.ts', 'storage/file/file-blob-store.ts'), false);
    assert.equal(mayImport('cache/fills/blob-fill.ts', 'storage/content-store.ts'), true);
    assert.equal(mayImport('cache/fills/blob-fill.ts', 'cache/cached-blobs.ts'), false);
    assert.equal(mayImport('net/transport.ts', 'net/wire/wire.ts'), false);
    assert.equal(mayImport('http/router.ts', 'cache/fills/blob-fill.ts'), false);
    assert.equal(mayImport('http/handlers/blob.ts', 'http/router.ts'), false);
    assert.equal(mayImport('http/exchange/exchange.ts', 'http/handlers/blob.ts'), false);
    assert.equal(mayImport('base/clock.ts', 'oci/error.ts'), false);
    assert.equal(mayImport('app/store.ts', 'storage/file/file-blob-store.ts'), true);
    assert.equal(mayImport('app/app.ts', 'doctor/gather.ts'), false);
    assert.equal(mayImport('a/new/room.ts', 'net/transport.ts'), false);
  });
});
