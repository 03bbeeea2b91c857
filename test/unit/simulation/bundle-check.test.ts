import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listName, listText, newHead } from '#src/bundle/bundle-list.ts';
import { Tally } from '#src/load/tally.ts';
import type { Digest } from '#src/oci/reference.ts';
import { wrongInBundle } from '#test/simulation/bundle-check.ts';
import { MemoryBundle } from '#test/simulation/memory-bundle.ts';
import { Model, type ModelManifest, type ModelRepository } from '#test/simulation/model.ts';

const proof = '0'.repeat(64);

/** An index of two images, and bundles of it. */
class Bundled {
  readonly model = new Model();
  readonly repository: ModelRepository = this.model.repository('registry.one', 'a/one');
  readonly #images = [this.#image(), this.#image()] as const;
  readonly #index: ModelManifest = this.model.putIndex(this.repository, this.#images);

  #image(): ModelManifest {
    return this.model.putImage(this.repository, [this.model.newBlob(5000)]);
  }

  /** All that the index leads to but what is `left` out. */
  digests(left: readonly Digest[] = []): Digest[] {
    const all = [this.#index, ...this.#images].flatMap(({ digest, blobs }) => [digest, ...blobs]);
    return all.filter((digest) => !left.includes(digest));
  }

  /** That has these, and goes on from `earlier`. */
  bundle(digests: readonly Digest[], { earlier, left = 0 }: { earlier?: MemoryBundle; left?: number } = {}) {
    const bundle = new MemoryBundle(earlier);
    const { digest, mediaType } = this.#index;
    const size = this.model.content.sizeOf(digest);
    const descriptor = { digest, mediaType, size };
    const name = `${this.repository.name}:v1`;
    bundle.images.push({ name, descriptor, problem: undefined, left, tally: new Tally() });
    for (const each of digests) bundle.files.set(pathOf(each), this.model.content.of(each));
    bundle.files.set('index.json', Buffer.from(JSON.stringify({ manifests: [descriptor] })));
    const listed = this.digests().map((each) => ({
      ...{ digest: each, size: this.model.content.sizeOf(each), proof },
      chunk: digests.includes(each) ? 1 : undefined,
    }));
    const known = listed.filter((each) => each.chunk === 1 || earlier?.bytesOf(each.digest) !== undefined);
    bundle.files.set(listName, Buffer.from([...listText(newHead(undefined), 0, [], known)].join('')));
    return bundle;
  }

  get child(): ModelManifest {
    return this.#images[1];
  }
}

function pathOf(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}

describe('the check of a bundle', () => {
  it('finds nothing wrong with one that is whole, nor with one that goes on from another', async () => {
    const made = new Bundled();
    const [first, ...others] = made.digests();
    assert.ok(first !== undefined);
    assert.deepEqual(await wrongInBundle(made.bundle(made.digests()), made.model), []);
    const earlier = made.bundle(others);
    assert.deepEqual(await wrongInBundle(made.bundle([first], { earlier }), made.model), []);
  });

  it('finds a blob that is lacking, and accepts a manifest that was said to be left out', async () => {
    const made = new Bundled();
    const { digest, blobs } = made.child;
    const without = made.digests([digest, ...blobs]);
    assert.match(
      (await wrongInBundle(made.bundle(without), made.model)).join(),
      /1 of 2 manifests and says that it lacks 0/,
    );
    assert.deepEqual(await wrongInBundle(made.bundle(without, { left: 1 }), made.model), []);
    const lacking = made.bundle(made.digests(blobs.slice(0, 1)));
    assert.match((await wrongInBundle(lacking, made.model)).join(), /lacks/);
  });

  it('finds a byte that is wrong', async () => {
    const made = new Bundled();
    const bundle = made.bundle(made.digests());
    const path = pathOf(made.child.blobs.at(-1) as Digest);
    const bytes = Uint8Array.from(bundle.files.get(path) ?? []);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    bundle.files.set(path, bytes);
    assert.match((await wrongInBundle(bundle, made.model)).join(), /wrong bytes/);
  });

  it('finds a blob that an earlier bundle has already', async () => {
    const made = new Bundled();
    const earlier = made.bundle(made.digests());
    const bundle = made.bundle(made.digests(), { earlier });
    assert.match((await wrongInBundle(bundle, made.model)).join(), /was in the bundle before/);
  });

  it('finds an index that names something else', async () => {
    const made = new Bundled();
    const bundle = made.bundle(made.digests());
    bundle.files.set('index.json', Buffer.from('{"manifests":[]}'));
    assert.match((await wrongInBundle(bundle, made.model)).join(), /index\.json names/);
  });
});
