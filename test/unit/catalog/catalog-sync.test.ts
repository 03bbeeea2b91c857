import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CatalogSync, type CatalogSyncParts } from '#src/catalog/catalog-sync.ts';
import { SyncTally } from '#src/catalog/sync-tally.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { hostOf, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import { putManifest, putTag, removeTag } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

const descriptor = { mediaType: ociManifest, digest: sha256(Buffer.from('x')), size: 1 };
const newer = sha256(Buffer.from('y'));
const hour = 3_600_000;

/** What a registry answers about a tag: nothing else than before, that it has moved, or an error. */
type Answer = 'same' | 'moved' | RegistryError;

async function made(
  names: Readonly<Record<string, readonly string[]>>,
  more: Partial<CatalogSyncParts> = {},
) {
  const [clock, log] = [new FakeClock(), new LogLines()];
  const metadata = SqliteMetadataStore.inMemory({ clock });
  for (const [name, tags] of Object.entries(names)) {
    await metadata.change([putManifest(repository(name), { descriptor, blobs: [] })]);
    for (const tag of tags)
      await metadata.change([putTag(repository(name), { tag: parseTag(tag), descriptor, checkedAt: 1 })]);
  }
  const calls: string[] = [];
  const answers = new Map<string, Answer>();
  const registryOf: CatalogSyncParts['registryOf'] = () => ({
    listTags: async (name) => {
      calls.push(`list ${name}`);
      return { tags: [], hasMore: false };
    },
    refresh: async (name, tag) => {
      calls.push(`${name}:${tag}`);
      const answer = answers.get(`${name}:${tag}`) ?? answers.get(hostOf(name)) ?? 'same';
      if (answer instanceof RegistryError) throw answer;
      return { was: descriptor.digest, digest: answer === 'moved' ? newer : descriptor.digest };
    },
  });
  const parts: CatalogSyncParts = {
    ...{ metadata, registryOf, clock, log, everyMs: hour, random: () => 0.5, tally: new SyncTally() },
    mayAsk: () => true,
    matches: () => true,
    ...more,
  };
  return { ...parts, metadata, clock, log, calls, answers };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets a pass go on to its end, pause by pause. */
async function pass(clock: FakeClock, pauses = 20): Promise<void> {
  for (let pause = 0; pause < pauses; pause += 1) {
    await turns();
    await clock.advance(1000);
  }
  await turns();
}

const unavailable = new RegistryError('UNAVAILABLE');

describe('the catalogue', () => {
  it('is compared some time after the start and from then on, each cached tag of what matches', async () => {
    const around = await made(
      { 'a.example/app': ['v1', 'v2'], 'a.example/lib': ['v1'], 'b.example/app': ['v1'] },
      { matches: (name: RepositoryName) => name.endsWith('/app') },
    );
    const { clock, calls, metadata } = around;
    await using _metadata = metadata;
    await using _sync = new CatalogSync(around);
    await clock.advance(89_000);
    await turns();
    assert.deepEqual(calls, []);
    await clock.advance(1000);
    await pass(clock);
    const all = [
      'list a.example/app',
      'a.example/app:v1',
      'a.example/app:v2',
      'list b.example/app',
      'b.example/app:v1',
    ];
    assert.deepEqual(calls, all);
    await clock.advance(hour - 30_000);
    await turns();
    assert.equal(calls.length, all.length);
    await clock.advance(30_000);
    await pass(clock);
    assert.deepEqual(calls.slice(all.length), all);
  });

  it('says what has moved and what is gone, and counts', async () => {
    const around = await made({ 'a.example/app': ['v1', 'v2', 'v3', 'v4'] });
    const { clock, answers, log, metadata, tally } = around;
    await using _metadata = metadata;
    answers.set('a.example/app:v2', 'moved');
    answers.set('a.example/app:v3', new RegistryError('MANIFEST_UNKNOWN'));
    answers.set('a.example/app:v4', unavailable);
    await using _sync = new CatalogSync(around);
    await clock.advance(90_000);
    await pass(clock);
    assert.deepEqual({ ...tally }, { unchanged: 1, moved: 1, gone: 1, failed: 1 });
    const said = log.at('info').join('\n');
    assert.match(said, /not in its registry any more.*v3/s);
    assert.match(said, /has moved.*v2/s);
    assert.match(said, /repositories: 1.*unchanged: 1/s);
  });

  it('leaves a registry alone that limits us, or of which three repositories in a row fail, and no other', async () => {
    const many = (host: string) =>
      Object.fromEntries(
        ['a', 'b', 'c', 'd', 'e'].map((name) => [
          `${host}/${name}`,
          ['v1', 'v2', 'v3', 'v4', 'v5', 'v6', 'v7', 'v8'],
        ]),
      );
    const around = await made({
      ...many('dead.example'),
      ...many('limited.example'),
      ...many('well.example'),
    });
    const { clock, answers, calls, metadata } = around;
    await using _metadata = metadata;
    answers.set('dead.example', unavailable);
    answers.set('limited.example', new RegistryError('TOOMANYREQUESTS'));
    await using _sync = new CatalogSync(around);
    await clock.advance(90_000);
    await pass(clock);
    const of = (host: string) => calls.filter((call) => call.startsWith(`${host}/`));
    // Three times two tags of each of three repositories.
    assert.equal(of('dead.example').length, 18);
    assert.equal(of('limited.example').length, 2);
    assert.equal(of('well.example').length, 40);
  });

  it('leaves a registry alone whose quota is kept for what is not cached', async () => {
    const around = await made(
      { 'a.example/app': ['v1'], 'b.example/app': ['v1'] },
      { mayAsk: (host) => host !== 'a.example' },
    );
    const { clock, calls, metadata } = around;
    await using _metadata = metadata;
    await using _sync = new CatalogSync(around);
    await clock.advance(90_000);
    await pass(clock);
    assert.deepEqual(calls, ['list b.example/app', 'b.example/app:v1']);
  });

  it('does not bring back what was removed meanwhile', async () => {
    const around = await made({ 'a.example/app': ['v1', 'v2', 'v3'] });
    const { clock, calls, metadata } = around;
    await using _metadata = metadata;
    const { registryOf } = around;
    const removing: CatalogSyncParts['registryOf'] = (host) => {
      const registry = registryOf(host);
      return {
        ...registry,
        refresh: async (name, tag) => {
          await metadata.change([removeTag(name, parseTag('v3'), descriptor.digest)]);
          return await registry.refresh(name, tag);
        },
      };
    };
    await using _sync = new CatalogSync({ ...around, registryOf: removing });
    await clock.advance(90_000);
    await pass(clock);
    assert.deepEqual(calls, ['list a.example/app', 'a.example/app:v1', 'a.example/app:v2']);
  });

  it('goes on where an earlier process was, and ends between two tags', async () => {
    const around = await made({ 'a.example/a': ['v1'], 'a.example/b': ['v1'], 'a.example/c': ['v1'] });
    const { clock, calls, metadata } = around;
    await using _metadata = metadata;
    {
      await using _sync = new CatalogSync(around);
      await clock.advance(90_000);
      await turns();
      assert.deepEqual(calls, ['list a.example/a', 'a.example/a:v1']);
    }
    assert.equal(clock.sleeping, 0);
    await using _next = new CatalogSync(around);
    await clock.advance(90_000);
    await pass(clock);
    assert.deepEqual(calls.slice(2), [
      'list a.example/b',
      'a.example/b:v1',
      'list a.example/c',
      'a.example/c:v1',
    ]);
    await clock.advance(hour);
    await pass(clock);
    assert.equal(calls[6], 'list a.example/a');
  });
});
