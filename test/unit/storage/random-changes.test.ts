import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { type Digest, hostOf, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import {
  linkBlob,
  loseBlob,
  type Operation,
  putManifest,
  putTag,
  removeManifest,
} from '#src/storage/operation.ts';
import type { ManifestRecord } from '#src/storage/records.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { Random } from '#test/simulation/random.ts';

const repositories = ['docker.io/library/alpine', 'docker.io/mirror/alpine', 'quay.io/acme/tool'].map(
  (name) => repository(name),
);
const tags = ['v1', 'v2'].map((tag) => parseTag(tag));
/** Few, so that each is a manifest here, a layer there and a child of an index elsewhere: registries give manifests as blobs, too. */
const digests = Array.from({ length: 6 }, (_, at) => sha256(Buffer.from(`${at}`)));
const sizeOf = (digest: Digest): number => 10 ** digests.indexOf(digest);

/** What its digest is of: each names those that come before it. */
function recordOf(digest: Digest): ManifestRecord {
  const at = digests.indexOf(digest);
  const describe = (named: Digest): Descriptor => ({
    mediaType: ociManifest,
    digest: named,
    size: sizeOf(named),
  });
  const isIndex = at % 3 === 2;
  const named = digests.slice(0, at).map(describe);
  return {
    descriptor: { ...describe(digest), mediaType: isIndex ? ociIndex : ociManifest },
    blobs: isIndex ? [] : named,
    manifests: isIndex ? named : [],
  };
}

interface ModelTag {
  readonly digest: Digest;
  readonly checkedAt: number;
}

/** The same in sets, of which everything is worked out when it is asked for. */
class Model {
  readonly manifests = new Set<string>();
  readonly links = new Set<string>();
  readonly stored = new Set<Digest>();
  readonly sizes = new Map<Digest, number>();
  readonly tags = new Map<string, ModelTag>();
  readonly former = new Map<string, (readonly [Digest, 'moved' | 'removed'])[]>();

  /** A copy, changed; undefined where one of them cannot be done. */
  after(operations: readonly Operation[]): Model | undefined {
    const next = new Model();
    for (const key of this.manifests) next.manifests.add(key);
    for (const key of this.links) next.links.add(key);
    for (const digest of this.stored) next.stored.add(digest);
    for (const [digest, size] of this.sizes) next.sizes.set(digest, size);
    for (const [key, tag] of this.tags) next.tags.set(key, tag);
    for (const [key, former] of this.former) next.former.set(key, [...former]);
    return operations.every((operation) => next.#apply(operation)) ? next : undefined;
  }

  #apply(operation: Operation): boolean {
    switch (operation.kind) {
      case 'put manifest': {
        const { digest, size } = operation.manifest.descriptor;
        this.manifests.add(`${operation.repository} ${digest}`);
        this.stored.add(digest);
        this.sizes.set(digest, size);
        return true;
      }
      case 'remove manifest': {
        this.manifests.delete(`${operation.repository} ${operation.digest}`);
        for (const [key, tag] of this.tags) {
          if (!key.startsWith(`${operation.repository} `) || tag.digest !== operation.digest) continue;
          this.tags.delete(key);
          this.#remember(key, tag.digest, 'removed');
        }
        return true;
      }
      case 'put tag': {
        const { record, was } = operation;
        const { digest } = record.descriptor;
        const key = `${operation.repository} ${record.tag}`;
        const there = this.tags.get(key);
        if (there !== undefined && !(there.digest !== digest && there.digest === was)) {
          if (record.checkedAt !== 0 && record.checkedAt < there.checkedAt) return true;
        }
        if (!this.manifests.has(`${operation.repository} ${digest}`)) return false;
        if (there !== undefined && there.digest !== digest) this.#remember(key, there.digest, 'moved');
        this.tags.set(key, { digest, checkedAt: record.checkedAt });
        return true;
      }
      case 'link blob':
        this.links.add(`${operation.repository} ${operation.digest}`);
        this.stored.add(operation.digest);
        if (operation.verified !== undefined) this.sizes.set(operation.digest, operation.verified);
        return true;
      case 'lose blob':
        this.stored.delete(operation.digest);
        return true;
      default:
        return assert.fail(operation.kind);
    }
  }

  #remember(key: string, digest: Digest, why: 'moved' | 'removed'): void {
    this.former.set(key, [[digest, why], ...(this.former.get(key) ?? [])]);
  }

  has(name: RepositoryName, digest: Digest): boolean {
    return this.links.has(`${name} ${digest}`) && this.stored.has(digest);
  }

  missing(name: RepositoryName, manifest: Digest): readonly Digest[] | undefined {
    if (!this.manifests.has(`${name} ${manifest}`)) return undefined;
    return recordOf(manifest)
      .blobs.map(({ digest }) => digest)
      .filter((digest) => !this.has(name, digest));
  }

  wanted(name: RepositoryName): ReadonlySet<Digest> {
    return new Set(digests.flatMap((manifest) => this.missing(name, manifest) ?? []));
  }

  totals(names: readonly RepositoryName[]) {
    const manifests = names.flatMap((name) =>
      digests.filter((digest) => this.manifests.has(`${name} ${digest}`)),
    );
    const blobs = digests.filter((digest) => names.some((name) => this.has(name, digest)));
    return {
      manifests: manifests.length,
      manifestBytes: manifests.reduce((sum, digest) => sum + sizeOf(digest), 0),
      blobs: blobs.length,
      blobBytes: blobs.reduce((sum, digest) => sum + (this.sizes.get(digest) ?? 0), 0),
    };
  }
}

function randomOperation(random: Random): Operation {
  const [name, digest] = [random.pick(repositories), random.pick(digests)];
  const { descriptor } = recordOf(digest);
  const record = { tag: random.pick(tags), descriptor, checkedAt: random.between(0, 4) };
  return random.pick([
    putManifest(name, recordOf(digest)),
    removeManifest(name, digest),
    linkBlob(name, digest),
    linkBlob(name, digest, sizeOf(digest)),
    loseBlob(digest),
    putTag(name, record),
    putTag(name, record, random.pick(digests)),
  ]);
}

async function assertAlike(store: SqliteMetadataStore, model: Model, how: string): Promise<void> {
  const { registries, ...together } = await store.inventory.totals();
  assert.deepEqual(together, model.totals(repositories), `totals ${how}`);
  for (const host of new Set(repositories.map(hostOf))) {
    const expected = model.totals(repositories.filter((name) => hostOf(name) === host));
    const nothing = { manifests: 0, manifestBytes: 0, blobs: 0, blobBytes: 0 };
    assert.deepEqual(registries.get(host) ?? nothing, expected, `totals of ${host} ${how}`);
  }
  const wanted = await store.listWantedBlobs({ limit: 1000 });
  for (const name of repositories) {
    assert.deepEqual(
      wanted.flatMap((blob) => (blob.repository === name ? [blob.digest] : [])).toSorted(),
      [...model.wanted(name)].toSorted(),
      `wanted by ${name} ${how}`,
    );
    for (const digest of digests) {
      const about = `${name} ${digest} ${how}`;
      assert.equal(await store.hasBlob(name, digest), model.has(name, digest), about);
      const missing = await store.listMissingBlobs(name, digest, 1000);
      assert.deepEqual(
        missing?.map((blob) => blob.digest).toSorted(),
        model.missing(name, digest)?.toSorted(),
        about,
      );
    }
    for (const tag of tags) {
      const there = await store.getTag(name, tag);
      const found = there && { digest: there.descriptor.digest, checkedAt: there.checkedAt };
      assert.deepEqual(found, model.tags.get(`${name} ${tag}`), `${name}:${tag} ${how}`);
      const former = await store.listFormerTags(name, tag);
      assert.deepEqual(
        former.map((each) => [each.digest, each.why]),
        (model.former.get(`${name} ${tag}`) ?? []).slice(0, 100),
        `former ${name}:${tag} ${how}`,
      );
    }
  }
  for (const digest of digests) assert.equal(await store.blobSize(digest), model.sizes.get(digest), how);
}

describe('changes in any order, each alone or several at once', () => {
  for (let seed = 1; seed <= 8; seed += 1) {
    it(`leave what is known as sets would have it: seed ${seed}`, async () => {
      const random = new Random(seed);
      await using store = SqliteMetadataStore.inMemory({ clock: new FakeClock() });
      let model = new Model();
      for (let step = 0; step < 40; step += 1) {
        const changes = Array.from({ length: random.between(1, 3) }, () =>
          Array.from({ length: random.between(1, 3) }, () => randomOperation(random)),
        );
        // One transaction, in which each stands or falls by itself.
        const results = await Promise.allSettled(changes.map(async (change) => await store.change(change)));
        for (const [at, change] of changes.entries()) {
          const next = model.after(change);
          assert.equal(results[at]?.status, next === undefined ? 'rejected' : 'fulfilled');
          model = next ?? model;
        }
        await assertAlike(store, model, `after step ${step}`);
      }
    });
  }
});
