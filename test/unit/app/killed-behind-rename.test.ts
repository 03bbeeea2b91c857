import assert from 'node:assert/strict';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { linkBlob } from '#src/storage/operation.ts';
import { OwnerLocks } from '#src/storage/sqlite/owner-locks.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { until } from '#test/e2e/support/until.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes } from '#test/fakes/images.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const [unknown, known] = [1, 2].map((seed) => Buffer.from(bytes(2_000_000, seed))) as [Buffer, Buffer];
const hexOf = (content: Buffer): string => sha256(content).slice('sha256:'.length);

/** As a process leaves it that was killed when two blobs had their names, of which the index knows one. */
async function left(): Promise<AsyncDisposable & { readonly path: string; readonly blobs: string }> {
  const directory = await temporaryDirectory();
  const v1 = join(directory.path, 'v1');
  const [blobs, partial] = [join(v1, 'blobs/sha256'), join(v1, 'partial')];
  await mkdir(v1, { recursive: true });
  {
    await using store = await FileBlobStore.open({ directory: v1, owners: (path) => new OwnerLocks(path) });
    for (const content of [unknown, known]) {
      await using spool = await store.begin();
      spool.mark({ digest: sha256(content), scope: 'docker.io', size: content.length });
      await spool.write(0, content);
      await spool.keep();
      const name = (await readdir(partial)).find((one) => /^spool\.[0-9a-f.]+$/.test(one)) ?? assert.fail();
      await rename(join(partial, name), join(blobs, hexOf(content)));
    }
  }
  await using index = await SqliteMetadataStore.open(v1);
  const { digest, size } = verifyWhole(sha256(known), known);
  await index.change([linkBlob(repository('docker.io/acme/app'), digest, size)]);
  return { ...directory, blobs };
}

describe('a server that is killed between the name of a blob and the word of it', () => {
  it('leaves no file that nobody knows of: the next one removes it, and none that is known', async () => {
    await using it = await left();
    const clock = new FakeClock();
    clock.set(Date.now());
    await using _ = await runApp({ imagePath: it.path, airGapped: true }, { clock });
    assert.equal((await readdir(it.blobs)).length, 2);
    await until(
      'it has gone',
      async () => {
        await clock.advance(600_000);
        return (await readdir(it.blobs)).length < 2;
      },
      10_000,
    );
    assert.deepEqual(await readdir(it.blobs), [hexOf(known)]);
  });
});
