import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leadingTags } from '#src/app/leading-tags.ts';
import { type Digest, parseDigest, parseTag } from '#src/oci/reference.ts';
import type { ImageNode } from '#src/storage/image-graph.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

const name = repository('docker.io/library/alpine');
const digestOf = (number: number): Digest => parseDigest(`sha256:${String(number).padStart(64, '0')}`);
const blob = digestOf(0);

/** `named`: what names each; `tags`: of each. */
function store(named: ReadonlyMap<Digest, readonly Digest[]>, tags: ReadonlyMap<Digest, string>) {
  const looked: Digest[] = [];
  const node = async (_: unknown, digest: Digest) => {
    looked.push(digest);
    const tag = tags.get(digest);
    return { tags: tag === undefined ? [] : [{ tag: parseTag(tag) }] } as unknown as ImageNode;
  };
  const listManifestsOf = async (_: unknown, digest: Digest, limit: number) =>
    (named.get(digest) ?? []).slice(0, limit);
  return { looked, of: leadingTags({ graph: { node }, metadata: { listManifestsOf } }) };
}

/** A blob that so many images name, each below an index of its own that alone has a tag. */
function images(count: number) {
  const numbers = Array.from({ length: count }, (_, at) => at + 1);
  const named = new Map([[blob, numbers.map(digestOf)]]);
  for (const at of numbers) named.set(digestOf(at), [digestOf(10_000 + at)]);
  return store(named, new Map(numbers.map((at) => [digestOf(10_000 + at), `v${at}-dev`])));
}

describe('the tags that lead to a blob', () => {
  it('are those of the indexes above the images that name it', async () => {
    assert.deepEqual(await images(3).of(name, blob), ['v1-dev', 'v2-dev', 'v3-dev']);
  });

  it('are some where more lead to it than are looked at, the newest first', async () => {
    const { of, looked } = images(1000);
    const tags = await of(name, blob);
    assert.ok(tags.length > 50, String(tags.length));
    assert.equal(tags[0], 'v1-dev');
    assert.equal(looked.length, 200);
  });

  it('are found though something is named in a circle', async () => {
    const named = new Map([
      [blob, [digestOf(1)]],
      [digestOf(1), [blob, digestOf(1)]],
    ]);
    assert.deepEqual(await store(named, new Map([[digestOf(1), 'v1']])).of(name, blob), ['v1']);
  });
});
