import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hexOf, sha256, verifyWhole } from '#src/oci/digest.ts';
import type { Digest } from '#src/oci/reference.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { linkBlob, loseBlob, type Operation, putManifest } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { ByteRate } from '#src/verify/byte-rate.ts';
import { checkKnown, checkOthers } from '#src/verify/check-store.ts';
import type { CheckedFile } from '#src/verify/checked-file.ts';
import { FileCheck } from '#src/verify/file-check.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes } from '#test/fakes/images.ts';
import { failure, ScriptedFiles } from '#test/fakes/scripted-files.ts';

const alpine = repository('docker.io/library/alpine');
const never = new AbortController().signal;
const pathOf = (digest: Digest): string => `/v1/blobs/sha256/${hexOf(digest)}`;

/** A store in files in which each of these is stored, for one repository, and known by its size alone. */
async function holding(sizes: readonly number[]) {
  const files = new ScriptedFiles();
  const content = await FileBlobStore.open({ directory: '/v1', files });
  const metadata = SqliteMetadataStore.inMemory();
  const digests: Digest[] = [];
  for (const [at, size] of sizes.entries()) {
    const stored = bytes(size, at + 1);
    const digest = sha256(stored);
    await content.keep(verifyWhole(digest, stored), stored);
    await metadata.change([linkBlob(alpine, digest, size)]);
    digests.push(digest);
  }
  const changes: Operation[] = [];
  const parts = { content, metadata, changed: (done: readonly Operation[]) => void changes.push(...done) };
  const clock = new FakeClock();
  return {
    files,
    content,
    metadata,
    digests,
    changes,
    parts,
    clock,
    check: new FileCheck(parts, new ByteRate(clock, 0)),
  };
}

describe('a check of the store', () => {
  it('notes which files are right, once', async () => {
    const { digests, metadata, content, parts, check, changes } = await holding([0, 10, 200_000]);
    const found = await Array.fromAsync(checkKnown(parts, check, never));
    assert.deepEqual(
      found.map(({ digest, verdict }) => [digest, verdict]),
      digests.map((digest) => [digest, 'right']),
    );
    for (const digest of digests)
      assert.deepEqual((await metadata.getChecked(digest))?.stamp, (await content.stat(digest))?.stamp);
    assert.deepEqual(changes, []);
    assert.deepEqual(await Array.fromAsync(checkOthers(parts, check, never)), []);
    metadata.change = async () => assert.fail('it is noted twice');
    assert.equal((await Array.fromAsync(checkKnown(parts, check, never))).length, 3);
  });

  it('looks at what lies there though the index says that it is lost', async () => {
    const { digests, metadata, parts, check } = await holding([10]);
    const [digest] = digests;
    assert.ok(digest);
    await metadata.change([loseBlob(digest)]);
    const found = await Array.fromAsync(checkOthers(parts, check, never));
    assert.deepEqual(
      found.map((file) => [file.digest, file.verdict]),
      [[digest, 'right']],
    );
  });

  it('ends within a file when it is told to, though it may read as fast as it can', async () => {
    const { digests, check } = await holding([200_000]);
    const [digest] = digests;
    assert.ok(digest);
    await assert.rejects(check.look(digest, AbortSignal.abort(new Error('enough'))), { message: 'enough' });
  });

  it('puts aside what is wrong, and the index says that it is lost, to whoever remembers too', async () => {
    const { digests, files, metadata, parts, check, changes } = await holding([10, 200_000, 20]);
    const [, wrong, gone] = digests;
    assert.ok(wrong && gone);
    files.spoil(pathOf(wrong), (old) => Buffer.concat([old.subarray(1), Buffer.from('x')]));
    await files.rm(pathOf(gone));
    const found = await Array.fromAsync(checkKnown(parts, check, never));
    const owners = [{ repository: alpine, as: 'blob' as const }];
    const [, first, second] = found;
    assert.equal(first?.verdict, 'wrong');
    assert.deepEqual(first.owners, owners);
    assert.ok(files.paths.includes(first.kept ?? ''));
    assert.deepEqual(second, { digest: gone, verdict: 'missing', size: 0, owners });
    for (const digest of [wrong, gone]) assert.equal(await metadata.hasBlob(alpine, digest), false);
    assert.deepEqual(
      changes.map((change) => change.kind),
      ['lose blob', 'lose blob'],
    );
    assert.equal((await Array.fromAsync(checkKnown(parts, check, never))).length, 1);
  });

  it('takes nothing away where the disk does not give it for now', async () => {
    const { digests, files, metadata, parts, check } = await holding([10]);
    const [digest] = digests;
    assert.ok(digest);
    files.script = (call) => {
      if (call === `open ${pathOf(digest)}`) throw failure('EIO');
    };
    const [found] = await Array.fromAsync(checkKnown(parts, check, never));
    assert.equal(found?.verdict, 'unreadable');
    assert.equal(await metadata.hasBlob(alpine, digest), true);
  });

  it('leaves alone the right file that takes the place of a wrong one while that is read', async () => {
    const { digests, files, content, metadata, check } = await holding([10]);
    const [digest] = digests;
    assert.ok(digest);
    files.spoil(pathOf(digest), () => Buffer.from('0123456789'));
    files.script = async (call) => {
      if (call !== `fstat ${pathOf(digest)}`) return;
      files.script = () => undefined;
      const right = bytes(10, 1);
      // The old one is open, and read on.
      await content.keep(verifyWhole(digest, right), right);
    };
    const found = await check.look(digest, never);
    assert.deepEqual([found?.verdict, await metadata.hasBlob(alpine, digest)], ['right', true]);
    assert.deepEqual(
      files.paths.filter((path) => path.includes('quarantine')),
      [],
    );
  });

  for (const fault of ['wrong', 'missing'])
    it(`says of none that it is lost which comes while its owners are looked for: ${fault}`, async () => {
      const { digests, files, content, metadata, check, changes } = await holding([10]);
      const [digest] = digests;
      assert.ok(digest);
      if (fault === 'missing') await files.rm(pathOf(digest));
      else files.spoil(pathOf(digest), () => Buffer.from('0123456789'));
      const listOwners = metadata.listOwners.bind(metadata);
      metadata.listOwners = async (...asked) => {
        const right = bytes(10, 1);
        await content.keep(verifyWhole(digest, right), right);
        await metadata.change([linkBlob(alpine, digest, 10)]);
        return await listOwners(...asked);
      };
      const found = await check.look(digest, never);
      assert.equal(found?.verdict, fault === 'missing' ? 'right' : 'wrong');
      assert.equal(await metadata.hasBlob(alpine, digest), true);
      assert.deepEqual(changes, []);
    });

  it('says nothing of what was removed since it was listed', async () => {
    const { digests, content, metadata, parts, check } = await holding([10, 20]);
    const [one, other] = digests;
    assert.ok(one && other);
    const found: CheckedFile[] = [];
    for await (const file of checkKnown(parts, check, never)) {
      found.push(file);
      await content.delete(other);
      await metadata.change([loseBlob(other)]);
    }
    assert.deepEqual(
      found.map(({ digest, verdict }) => [digest, verdict]),
      [[one, 'right']],
    );
  });

  it('names who has a wrong manifest', async () => {
    const { content, metadata, files, check } = await holding([]);
    const manifest = Buffer.from('{}');
    const digest = sha256(manifest);
    await content.keep(verifyWhole(digest, manifest), manifest);
    await metadata.change([
      putManifest(alpine, { descriptor: { mediaType: 'x/y', digest, size: 2 }, blobs: [] }),
    ]);
    files.spoil(pathOf(digest), () => Buffer.from('[]'));
    const found = await check.look(digest, never);
    assert.deepEqual([found?.verdict, found?.owners], ['wrong', [{ repository: alpine, as: 'manifest' }]]);
  });

  it('looks at what the index does not know as well, and lets nobody have it', async () => {
    const { content, files, parts, check, metadata } = await holding([10]);
    const [right, wrong] = [bytes(5, 7), bytes(6, 8)];
    for (const stranger of [right, wrong])
      await content.keep(verifyWhole(sha256(stranger), stranger), stranger);
    files.spoil(pathOf(sha256(wrong)), () => Buffer.from('abcdef'));
    const found = await Array.fromAsync(checkOthers(parts, check, never));
    assert.deepEqual(
      new Map(found.map(({ digest, verdict }) => [digest, verdict])),
      new Map([
        [sha256(right), 'right'],
        [sha256(wrong), 'wrong'],
      ]),
    );
    assert.equal(await metadata.hasBlob(alpine, sha256(right)), false);
  });

  it('reads no more in a second than it may, and ends when it is told to', async () => {
    const { parts, clock } = await holding([600_000, 600_000, 600_000]);
    const check = new FileCheck(parts, new ByteRate(clock, 600_000));
    const stop = new AbortController();
    const found: CheckedFile[] = [];
    const walking = (async () => {
      for await (const file of checkKnown(parts, check, stop.signal)) found.push(file);
    })();
    const rest = async (): Promise<void> => {
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    await rest();
    assert.equal(found.length, 0);
    await clock.advance(1000);
    await rest();
    assert.equal(found.length, 1);
    stop.abort(new Error('enough'));
    await assert.rejects(walking, { message: 'enough' });
    assert.equal(found.length, 1);
  });
});
