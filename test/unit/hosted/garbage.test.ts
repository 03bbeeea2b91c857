import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HostedRegistry } from '#src/hosted/hosted-registry.ts';
import { HostedRules, type HostedSettings } from '#src/hosted/hosted-rules.ts';
import { sha256 } from '#src/oci/digest.ts';
import { type Digest, hostedHost, parseTag, repositoryName } from '#src/oci/reference.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { StoreFullError } from '#src/storage/content-store.ts';
import { endUpload } from '#src/storage/operation.ts';
import type { UploadSpools } from '#src/storage/upload-spools.ts';
import { app, HostedUnderTest, sent } from '#test/fakes/hosted-under-test.ts';

const hour = 3_600_000;
const day = 24 * hour;

describe('a blob that was pushed', () => {
  it('and that nobody names goes when an unfinished upload would, and not before', async () => {
    await using hosted = new HostedUnderTest();
    const blob = await hosted.blob('layer');
    await hosted.sweep(day - 1000);
    assert.equal(await hosted.isHere(blob), true);
    await hosted.sweep(2000);
    assert.equal(await hosted.isHere(blob), false);
    assert.equal(await hosted.metadata.hasBlob(app, blob), false);
  });

  it('stays as long as a manifest names it, and goes behind the last of them', async () => {
    await using hosted = new HostedUnderTest();
    const blob = await hosted.blob('layer');
    const one = await hosted.manifest('one', [blob]);
    const two = await hosted.manifest('two', [blob]);
    await hosted.sweep(30 * day);
    await hosted.pushes.deleteManifest(app, one);
    await hosted.sweep(day);
    assert.equal(await hosted.isHere(blob), true);
    assert.equal(await hosted.isHere(one), false);
    await hosted.pushes.deleteManifest(app, two);
    await hosted.sweep(day);
    assert.equal(await hosted.isHere(blob), false);
    assert.equal(await hosted.isHere(two), false);
  });

  it('again, or taken from another repository, is as new, however old its bytes are', async () => {
    await using hosted = new HostedUnderTest();
    const other = repositoryName(hostedHost, 'test/other');
    const blob = await hosted.blob('layer');
    await hosted.manifest('keeps', [blob]);
    await hosted.sweep(30 * day);
    await hosted.blob('layer', other);
    const third = repositoryName(hostedHost, 'test/third');
    assert.ok(await hosted.pushes.mount(third, blob, app));
    await hosted.sweep(day - 1000);
    for (const repository of [other, third]) {
      assert.equal(await hosted.metadata.hasBlob(repository, blob), true);
      await hosted.manifest('v', [blob], repository);
    }
    await hosted.sweep(30 * day);
    for (const repository of [app, other, third])
      assert.equal(await hosted.metadata.hasBlob(repository, blob), true);
  });

  it('stays as long as its repository says, though one that keeps it for less has it too', async () => {
    const keeping = (name: string, uploadExpiry: number): HostedSettings => ({
      ...{ repositories: [`test/${name}`], open: true, immutableTags: [], uploadExpiry },
    });
    const rules = new HostedRules([keeping('app', day), keeping('other', hour)]);
    await using hosted = new HostedUnderTest({}, { rules });
    const [pushed, mounted] = [await hosted.blob('layer'), await hosted.blob('base')];
    const other = repositoryName(hostedHost, 'test/other');
    await hosted.blob('layer', other);
    assert.ok(await hosted.pushes.mount(other, mounted, app));
    await hosted.sweep(day - 1000);
    await hosted.manifest('v', [pushed, mounted]);
    await hosted.sweep(2000);
    for (const blob of [pushed, mounted]) assert.equal(await hosted.isHere(blob), true);
  });

  it('stays for who has asked whether it is here, though its image goes then', async () => {
    await using hosted = new HostedUnderTest();
    const { metadata, clock } = hosted;
    const blob = await hosted.blob('layer');
    const image = await hosted.manifest('one', [blob]);
    await hosted.sweep(30 * day);
    const content = new MemoryRegistry();
    content.putBlob(app, Buffer.from('layer'));
    const registry = new HostedRegistry(content, { metadata, inventory: metadata.inventory, clock });
    await registry.resolveBlob(app, blob);
    await hosted.pushes.deleteManifest(app, image);
    await hosted.sweep(hour / 2);
    await hosted.manifest('two', [blob]);
    await hosted.sweep(day);
    assert.equal(await hosted.isHere(blob), true);
  });

  it('is found, too, where nobody can write down who has asked, or has to wait for another to do so', async () => {
    await using hosted = new HostedUnderTest();
    const { metadata, clock } = hosted;
    const blob = await hosted.blob('layer');
    const content = new MemoryRegistry();
    content.putBlob(app, Buffer.from('layer'));
    let asked = 0;
    const full = async (): Promise<void> => {
      throw new StoreFullError('no room');
    };
    const stuck = async (_: unknown, locked?: () => void): Promise<void> => {
      locked?.();
      await new Promise(() => {});
    };
    for (const change of [full, stuck]) {
      const index = new Proxy(metadata, {
        get: (target, key) => {
          const member: unknown = Reflect.get(target, key);
          if (key === 'change')
            return async (...call: Parameters<typeof stuck>) => {
              asked += 1;
              await change(...call);
            };
          return typeof member === 'function' ? member.bind(target) : member;
        },
      });
      const registry = new HostedRegistry(content, { metadata: index, inventory: metadata.inventory, clock });
      for (let times = 0; times < 2; times += 1)
        assert.equal((await registry.resolveBlob(app, blob)).size, 5);
    }
    // What has failed is tried again by the next, and what waits is not.
    assert.equal(asked, 3);
  });

  it('and deleted goes with its bytes, but for those whom it is still of use', async () => {
    await using hosted = new HostedUnderTest();
    const other = repositoryName(hostedHost, 'test/other');
    const [blob, alone] = [await hosted.blob('layer'), await hosted.blob('alone')];
    await hosted.blob('layer', other);
    await hosted.manifest('v', [blob], other);
    for (const digest of [blob, alone]) await hosted.pushes.deleteBlob(app, digest);
    await hosted.sweep(2 * day);
    assert.deepEqual([await hosted.isHere(blob), await hosted.isHere(alone)], [true, false]);
  });
});

describe('an upload', () => {
  it('to which nothing comes expires, and is unknown then', async () => {
    await using hosted = new HostedUnderTest();
    const { pushes, content } = hosted;
    const { id } = await pushes.beginUpload(app);
    await pushes.append(app, id, sent(Buffer.from('some')));
    await hosted.sweep(day - 1000);
    await pushes.append(app, id, sent(Buffer.from('more')));
    await hosted.sweep(day - 1000);
    assert.equal((await pushes.uploadState(app, id)).size, 8);
    await hosted.sweep(2000);
    await assert.rejects(pushes.uploadState(app, id), { code: 'BLOB_UPLOAD_UNKNOWN' });
    assert.equal(content.used, 0);
  });

  it('that nothing was ever sent to expires within an hour', async () => {
    await using hosted = new HostedUnderTest();
    const { id } = await hosted.pushes.beginUpload(app);
    await hosted.sweep(hour + 1000);
    await assert.rejects(hosted.pushes.append(app, id, sent(Buffer.from('late'))), {
      code: 'BLOB_UPLOAD_UNKNOWN',
    });
    assert.deepEqual(await Array.fromAsync(hosted.content.uploads.list()), []);
  });

  it('that expires while it is being opened takes nothing, and leaves nothing', async () => {
    await using hosted = new HostedUnderTest();
    const { content, metadata } = hosted;
    const { uploads } = content;
    const open: typeof uploads.open = async (id) => {
      await metadata.change([endUpload(id)]);
      return await uploads.open(id);
    };
    const raced: UploadSpools = Object.assign(Object.create(uploads) as UploadSpools, {
      open,
      make: async (id: string) => await uploads.make(id),
      discard: async (id: string) => await uploads.discard(id),
    });
    const { pushes } = new HostedUnderTest({}, { ...hosted.parts, uploads: raced });
    const { id } = await pushes.beginUpload(app);
    const late = pushes.append(app, id, sent(Buffer.from('late')));
    await assert.rejects(late, { code: 'BLOB_UPLOAD_UNKNOWN' });
    assert.deepEqual(await Array.fromAsync(uploads.list()), []);
  });

  it('of which the index knows nothing goes', async () => {
    await using hosted = new HostedUnderTest();
    const { uploads } = hosted.content;
    {
      await using spool = await uploads.open('e'.repeat(32));
      await spool?.write(0, Buffer.from('nobody’s'));
    }
    await hosted.sweep(1000);
    assert.deepEqual(await Array.fromAsync(uploads.list()), []);
  });

  it('is refused where ten thousand are open, and taken when they are fewer', async () => {
    await using hosted = new HostedUnderTest();
    const { pushes } = hosted;
    const ids: string[] = [];
    for (let at = 0; at < 10_000; at += 1) ids.push((await pushes.beginUpload(app)).id);
    await assert.rejects(pushes.beginUpload(app), {
      code: 'TOOMANYREQUESTS',
      headers: { 'Retry-After': '60' },
    });
    await pushes.cancel(app, ids[0] ?? '');
    await pushes.beginUpload(app);
  });

  it('goes on where its hash is not known any more, as after a restart', async () => {
    await using hosted = new HostedUnderTest();
    const { id } = await hosted.pushes.beginUpload(app);
    await hosted.pushes.append(app, id, sent(Buffer.from('first ')));
    const { pushes } = new HostedUnderTest({}, hosted.parts);
    await pushes.append(app, id, sent(Buffer.from('second')));
    const digest = sha256(Buffer.from('first second'));
    assert.equal((await pushes.commit(app, id, digest, undefined)).size, 12);
    assert.equal(await hosted.isHere(digest), true);
  });

  it('of a client that breaks off keeps what came before', async () => {
    await using hosted = new HostedUnderTest();
    const { pushes } = hosted;
    const { id } = await pushes.beginUpload(app);
    const chunks = (async function* () {
      yield Buffer.from('first ');
      throw new Error('the client has left');
    })();
    await assert.rejects(pushes.append(app, id, { chunks }), /has left/);
    assert.equal((await pushes.uploadState(app, id)).size, 6);
    const digest = sha256(Buffer.from('first second'));
    await pushes.commit(app, id, digest, sent(Buffer.from('second')));
    assert.equal(await hosted.isHere(digest), true);
  });

  it('has no room where the cache has none: nothing of it is taken', async () => {
    await using hosted = new HostedUnderTest(
      {},
      { room: { admits: () => true, reserve: async () => undefined } },
    );
    const { id } = await hosted.pushes.beginUpload(app);
    const bytes = Buffer.from('layer');
    await assert.rejects(hosted.pushes.append(app, id, sent(bytes)), { code: 'UNAVAILABLE', status: 507 });
    await assert.rejects(hosted.pushes.putBlob(app, sha256(bytes), sent(bytes)), { status: 507 });
    assert.equal(hosted.content.used, 0);
  });
});

describe('a manifest whose blobs go while it comes', () => {
  /** Deletes the blob when the manifest's bytes are stored. */
  function losing(hosted: HostedUnderTest, blob: Digest): HostedUnderTest {
    const { content, pushes } = hosted;
    return new HostedUnderTest(
      {},
      {
        ...hosted.parts,
        content: new Proxy(content, {
          get: (target, key) => {
            const member: unknown = Reflect.get(target, key);
            if (key === 'keep')
              return async (...given: Parameters<typeof content.keep>) => {
                await pushes.deleteBlob(app, blob);
                return await target.keep(...given);
              };
            return typeof member === 'function' ? member.bind(target) : member;
          },
        }),
      },
    );
  }

  it('is refused by the transaction that would put it, and its bytes go as those of a blob that nobody names', async () => {
    await using hosted = new HostedUnderTest();
    const { content, metadata } = hosted;
    const blob = await hosted.blob('layer');
    await using raced = losing(hosted, blob);
    await assert.rejects(raced.manifest('v', [blob]), { code: 'MANIFEST_BLOB_UNKNOWN' });
    assert.equal(await metadata.getTag(app, parseTag('v')), undefined);
    await hosted.sweep(2 * day);
    assert.equal(content.used, 0);
  });

  it('and that is taken later counts as a manifest alone', async () => {
    await using hosted = new HostedUnderTest();
    const { inventory } = hosted.metadata;
    const blob = await hosted.blob('layer');
    await using raced = losing(hosted, blob);
    await assert.rejects(raced.manifest('v', [blob]), { code: 'MANIFEST_BLOB_UNKNOWN' });
    await hosted.blob('layer');
    const manifest = await hosted.manifest('v', [blob]);
    await hosted.sweep(2 * day);
    assert.equal(await hosted.metadata.hasBlob(app, manifest), false);
    const { blobs, blobBytes, manifests } = await inventory.totals();
    assert.deepEqual({ blobs, blobBytes, manifests }, { blobs: 1, blobBytes: 5, manifests: 1 });
  });
});
