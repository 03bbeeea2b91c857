import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { parseTag } from '#src/oci/reference.ts';
import { putManifest, putTag, putTagList } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { readList, writtenList } from '#src/storage/sqlite/written-list.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

const alpine = repository('docker.io/library/alpine');
const descriptor = { mediaType: 'x/y', digest: `sha256:${'1'.repeat(64)}` as never, size: 1 };

async function turnsDuring<Value>(work: () => Promise<Value>): Promise<{ value: Value; turns: number }> {
  const state = { turns: 0, isDone: false };
  const count = async (): Promise<void> => {
    for (; !state.isDone; state.turns += 1) await setImmediate();
  };
  const counting = count();
  const value = await work().finally(() => (state.isDone = true));
  await counting;
  return { value, turns: state.turns };
}

describe('a long list that the index has', () => {
  it('of cached tags is read some hundred at a time', async () => {
    await using store = SqliteMetadataStore.inMemory();
    await store.change([putManifest(alpine, { descriptor, blobs: [] })]);
    const tags = Array.from({ length: 2500 }, (_, at) => parseTag(`v${`${at}`.padStart(4, '0')}`));
    for (let at = 0; at < tags.length; at += 100) {
      const some = tags.slice(at, at + 100);
      await store.change(some.map((tag) => putTag(alpine, { tag, descriptor, checkedAt: 1 })));
    }
    const { value, turns } = await turnsDuring(async () => await store.listTags(alpine));
    assert.deepEqual(value, tags);
    assert.ok(turns >= 5, String(turns));
  });

  it('of upstream is read piece by piece, whatever stands in it', async () => {
    await using store = SqliteMetadataStore.inMemory();
    const items = Array.from({ length: 20_000 }, (_, at) => parseTag(`tag-${at}`.padEnd(40, 'x')));
    await store.change([putTagList(alpine, { items, checkedAt: 1 })]);
    const { value, turns } = await turnsDuring(async () => await store.getTagList(alpine));
    assert.deepEqual(value?.items, items);
    assert.ok(turns >= 8, String(turns));
  });

  it('is read as it was written, by this version and by earlier ones', async () => {
    for (const items of [[], ['a'], ['a,\n"b"', ',', '\n'], [{ x: '],\n[' }, { x: '\\' }]]) {
      const text = await writtenList(items);
      assert.deepEqual([await readList(text), JSON.parse(text)], [items, items]);
      assert.deepEqual(await readList(JSON.stringify(items)), items);
    }
  });
});
