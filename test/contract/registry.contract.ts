import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseDigest, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import type { RangeSpec, Registry } from '#src/oci/registry.ts';
import type { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';

interface RegistryUnderTest extends AsyncDisposable {
  readonly registry: Registry;
  /** What is behind it; tests put in what they ask for. */
  readonly content: MemoryRegistry;
  /** A repository as `content` knows it. */
  readonly stored: RepositoryName;
  /** The same repository as the registry is asked for it. */
  readonly name: RepositoryName;
}

/** Made anew for each test. */
export type RegistryFactory = () => Promise<RegistryUnderTest>;

const tag = parseTag('v1');
const layer = Buffer.from(bytes(200_000));
/** Its spacing would not survive being parsed and written again. */
const manifest = Buffer.from(`{ "schemaVersion":2,\n "mediaType": "${ociManifest}","layers":[ ] }\n`);
const absent = sha256(Buffer.from('absent'));

function sha512(content: Uint8Array): Digest {
  return parseDigest(`sha512:${createHash('sha512').update(content).digest('hex')}`);
}

async function read({ registry, name }: RegistryUnderTest, digest: Digest, range?: RangeSpec) {
  await using reader = await registry.getBlob(name, digest, { range });
  return { digest: reader.digest, size: reader.size, range: reader.range, body: await collect(reader.body) };
}

/** What every Registry promises (the doc comments of `src/oci/registry.ts`). */
export function registryContract(title: string, create: RegistryFactory): void {
  describe(`${title} as a Registry`, () => {
    describe('gives a manifest', () => {
      it('by tag and by digest, as the very bytes and the media type that were put', async () => {
        await using made = await create();
        const descriptor = made.content.putManifest(made.stored, tag, manifest, ociManifest);
        for (const reference of [tag, descriptor.digest]) {
          assert.deepEqual(await made.registry.resolveManifest(made.name, reference), descriptor);
          const got = await made.registry.getManifest(made.name, reference);
          assert.deepEqual(got.descriptor, descriptor);
          assert.ok(manifest.equals(got.bytes));
        }
      });

      it('by the digest that was asked for, sha512 included', async () => {
        await using made = await create();
        const digest = sha512(manifest);
        made.content.putManifest(made.stored, digest, manifest, ociManifest);
        const want = { mediaType: ociManifest, digest, size: manifest.length };
        assert.deepEqual(await made.registry.resolveManifest(made.name, digest), want);
        assert.deepEqual((await made.registry.getManifest(made.name, digest)).descriptor, want);
      });

      it('that is an index as an index', async () => {
        await using made = await create();
        const index = Buffer.from(`{"schemaVersion":2,"manifests":[]}`);
        const { digest } = made.content.putManifest(made.stored, tag, index, ociIndex);
        assert.equal((await made.registry.getManifest(made.name, digest)).descriptor.mediaType, ociIndex);
      });

      it('only if it has it: 404', async () => {
        await using made = await create();
        made.content.putManifest(made.stored, tag, manifest, ociManifest);
        for (const reference of [parseTag('none'), absent]) {
          const unknown = { name: 'RegistryError', code: 'MANIFEST_UNKNOWN', status: 404 };
          await assert.rejects(made.registry.resolveManifest(made.name, reference), unknown);
          await assert.rejects(made.registry.getManifest(made.name, reference), unknown);
        }
      });
    });

    describe('gives a blob', () => {
      it('whole, and says its size', async () => {
        await using made = await create();
        const { digest } = made.content.putBlob(made.stored, layer);
        const resolved = async () => {
          const info = await made.registry.resolveBlob(made.name, digest);
          return [info.digest, info.size];
        };
        assert.deepEqual(await resolved(), [digest, layer.length]);
        for (let round = 0; round < 2; round += 1) {
          assert.deepEqual(await read(made, digest), {
            digest,
            size: layer.length,
            range: undefined,
            body: layer,
          });
        }
        assert.deepEqual(await resolved(), [digest, layer.length]);
      });

      it('of no bytes, and by sha512', async () => {
        await using made = await create();
        const empty = made.content.putBlob(made.stored, Buffer.alloc(0));
        assert.deepEqual((await read(made, empty.digest)).body, Buffer.alloc(0));
        made.content.putBlob(made.stored, layer, sha512(layer));
        assert.ok(layer.equals((await read(made, sha512(layer))).body));
      });

      it('in every part of it, and no other', async () => {
        await using made = await create();
        const { digest } = made.content.putBlob(made.stored, layer);
        const spec = fc.oneof(
          fc.record({ first: fc.nat(210_000), last: fc.option(fc.nat(210_000), { nil: undefined }) }),
          fc.record({ suffix: fc.nat(210_000) }),
        );
        await fc.assert(
          fc.asyncProperty(spec, async (range) => {
            const first = 'suffix' in range ? Math.max(0, layer.length - range.suffix) : range.first;
            const end =
              'suffix' in range ? layer.length : Math.min((range.last ?? layer.length) + 1, layer.length);
            if (first < end) {
              const got = await read(made, digest, range);
              assert.deepEqual(got.range, { first, last: end - 1 });
              assert.equal(got.size, layer.length);
              assert.ok(layer.subarray(first, end).equals(got.body));
              return;
            }
            await assert.rejects(read(made, digest, range), {
              code: 'RANGE_INVALID',
              status: 416,
              headers: { 'Content-Range': `bytes */${layer.length}` },
            });
          }),
          { numRuns: 20 },
        );
      });

      it('from a byte at which somebody goes on, if need be with what is before it', async () => {
        await using made = await create();
        const { digest } = made.content.putBlob(made.stored, layer);
        for (const [first, size] of [
          [1, layer.length],
          [100_000, undefined],
          [layer.length - 1, layer.length],
        ] as const) {
          const options = { range: { first }, resumes: true, size };
          await using reader = await made.registry.getBlob(made.name, digest, options);
          const { first: begin, last } = reader.range ?? { first: 0, last: layer.length - 1 };
          assert.ok(begin <= first && first <= last);
          assert.ok(layer.subarray(begin, last + 1).equals(await collect(reader.body)));
        }
      });

      it('to several readers at once, each at its own pace', async () => {
        await using made = await create();
        const { digest } = made.content.putBlob(made.stored, layer);
        const readers = await Promise.all(
          Array.from({ length: 5 }, async () => await made.registry.getBlob(made.name, digest)),
        );
        const [first, ...others] = readers.map(({ body }) => body);
        for (const body of others) assert.ok(layer.equals(await collect(body)));
        assert.ok(first !== undefined && layer.equals(await collect(first)));
        for (const reader of readers) await reader[Symbol.asyncDispose]();
      });

      it('to the next reader too when the last one left without reading, or in the middle, or twice', async () => {
        await using made = await create();
        const { digest } = made.content.putBlob(made.stored, layer);
        const unread = await made.registry.getBlob(made.name, digest);
        await unread[Symbol.asyncDispose]();
        await unread[Symbol.asyncDispose]();
        const left = await made.registry.getBlob(made.name, digest);
        await left.body[Symbol.asyncIterator]().next();
        await left[Symbol.asyncDispose]();
        assert.ok(layer.equals((await read(made, digest)).body));
      });

      it('only if it has it: 404', async () => {
        await using made = await create();
        made.content.putBlob(made.stored, layer);
        const unknown = { name: 'RegistryError', code: 'BLOB_UNKNOWN', status: 404 };
        await assert.rejects(made.registry.resolveBlob(made.name, absent), unknown);
        await assert.rejects(made.registry.getBlob(made.name, absent), unknown);
      });
    });

    describe('lists', () => {
      it('all tags, in ASCII order, each once', async () => {
        await using made = await create();
        const tags = ['v1.9', 'latest', 'V2', 'v1.10', '0', '_x', 'sha256-abc.sig'];
        for (const each of [...tags, 'latest']) putImage(made.content, made.stored, each, []);
        assert.deepEqual((await made.registry.listTags(made.name)).tags, [
          '0',
          'V2',
          '_x',
          'latest',
          'sha256-abc.sig',
          'v1.10',
          'v1.9',
        ]);
      });

      it('tags part by part, behind any name, as many as were asked for or more', async () => {
        await using made = await create();
        const tags = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
        for (const each of tags) putImage(made.content, made.stored, each, []);
        for (const n of [1, 3, 7, 100]) {
          const seen: string[] = [];
          for (let last: string | undefined, hasMore = true; hasMore; ) {
            const list = await made.registry.listTags(made.name, { n, last });
            assert.ok(list.tags.length >= n || !list.hasMore);
            assert.equal(list.cut, undefined);
            seen.push(...list.tags);
            last = list.tags.at(-1);
            hasMore = list.hasMore;
          }
          assert.deepEqual(seen, tags);
        }
        for (const [last, rest] of [
          ['c', ['d', 'e', 'f', 'g']],
          ['bb', ['c', 'd', 'e', 'f', 'g']],
          ['z', []],
        ] as const) {
          assert.deepEqual((await made.registry.listTags(made.name, { last })).tags, rest);
        }
      });

      it('no tags where there are none, and says that a repository is unknown', async () => {
        await using made = await create();
        await assert.rejects(made.registry.listTags(made.name), { code: 'NAME_UNKNOWN', status: 404 });
        made.content.putBlob(made.stored, layer);
        assert.deepEqual((await made.registry.listTags(made.name)).tags, []);
      });

      it('what refers to a manifest, with its artifact type and annotations', async () => {
        await using made = await create();
        const { manifest: subject } = putImage(made.content, made.stored, 'v1', []);
        const artifactType = 'application/x-signature';
        const annotations = { by: 'us' };
        const signature = {
          schemaVersion: 2,
          mediaType: ociManifest,
          artifactType,
          subject,
          annotations,
          layers: [],
        };
        const { digest, size } = made.content.putManifest(
          made.stored,
          undefined,
          Buffer.from(JSON.stringify(signature)),
          ociManifest,
        );
        assert.deepEqual((await made.registry.listReferrers(made.name, subject.digest)).referrers, [
          { mediaType: ociManifest, digest, size, artifactType, annotations },
        ]);
      });

      it('nothing that refers to a manifest where nothing does: no error', async () => {
        await using made = await create();
        const { manifest: subject } = putImage(made.content, made.stored, 'v1', []);
        assert.deepEqual((await made.registry.listReferrers(made.name, subject.digest)).referrers, []);
        assert.deepEqual((await made.registry.listReferrers(made.name, absent)).referrers, []);
      });
    });

    it('answers all ten who ask at once for what is not there with the error', async () => {
      await using made = await create();
      made.content.putBlob(made.stored, layer);
      const asks = Array.from({ length: 10 }, (_, at) => async (): Promise<unknown> => {
        if (at % 2 === 0) return await made.registry.getBlob(made.name, absent);
        return await made.registry.getManifest(made.name, parseTag('none'));
      });
      for (const result of await Promise.allSettled(asks.map(async (ask) => await ask()))) {
        assert.ok(result.status === 'rejected');
        assert.equal((result.reason as { status?: number }).status, 404);
      }
    });

    it('answers whoever has left with their own reason, or in time, and with nothing else', async () => {
      await using made = await create();
      const image = putImage(made.content, made.stored, 'v1', [layer]);
      const digest = image.layers[0]?.digest ?? assert.fail();
      const signal = AbortSignal.abort(new Error('client is gone'));
      const { registry, name } = made;
      const asks: (() => Promise<unknown>)[] = [
        async () => await registry.resolveManifest(name, tag, { signal }),
        async () => await registry.getManifest(name, tag, { signal }),
        async () => await registry.resolveBlob(name, digest, { signal }),
        async () => await (await registry.getBlob(name, digest, { signal }))[Symbol.asyncDispose](),
        async () => await registry.listTags(name, { signal }),
        async () => await registry.listReferrers(name, digest, { signal }),
      ];
      for (const ask of asks) {
        await ask().catch((error: unknown) => assert.equal(error, signal.reason));
      }
      assert.ok(layer.equals((await read(made, digest)).body));
    });
  });
}
