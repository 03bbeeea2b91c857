import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { nodeFileSystem } from '#src/storage/file/file-system.ts';
import { ImageLayout } from '#src/storage/file/image-layout.ts';
import { StoreDirectories } from '#src/storage/file/store-directories.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const record = {
  repository: repository('docker.io/library/alpine'),
  tag: parseTag('v1'),
  descriptor: { mediaType: ociManifest, digest: sha256(Buffer.from('x')), size: 1 },
  isPinned: false,
  origin: 'upstream',
} as const;

async function layoutUnderTest() {
  const directory = await temporaryDirectory();
  const { path } = directory;
  const directories = new StoreDirectories(nodeFileSystem, path);
  await directories.make();
  const clock = new FakeClock();
  const reads = { count: 0, takesMs: 0 };
  const open = () =>
    new ImageLayout({
      directory: path,
      directories,
      clock,
      async *names() {
        reads.count += 1;
        await clock.advance(reads.takesMs);
        yield record;
      },
      onError: (error) => assert.ifError(error),
    });
  return {
    path,
    clock,
    reads,
    open,
    index: async () => JSON.parse(await readFile(join(path, 'index.json'), 'utf8')).manifests,
    [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
  };
}

const whole = [
  {
    ...record.descriptor,
    annotations: { 'org.opencontainers.image.ref.name': 'docker.io/library/alpine:v1' },
  },
];

describe('the image layout', () => {
  it('tells at its end what an earlier process had no time to write, and leaves nothing beside it', async () => {
    await using it = await layoutUnderTest();
    const { path } = it;
    await writeFile(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(path, 'index.json'), '{"schemaVersion":2,"manifests":[]}');
    {
      await using layout = it.open();
      await layout.begin();
    }
    assert.deepEqual(await it.index(), whole);
    assert.deepEqual((await readdir(path)).sort(), ['blobs', 'index.json', 'oci-layout', 'partial']);
    assert.deepEqual(await readdir(join(path, 'partial')), []);
  });

  it('is written a second after a change, and where that takes long in a fiftieth of the time', async () => {
    await using it = await layoutUnderTest();
    await using layout = it.open();
    await layout.begin();
    const written = it.reads.count;
    /** Is it written then, and no sooner? What changes meanwhile is written next. */
    const isWrittenAfter = async (milliseconds: number) => {
      const before = it.reads.count;
      layout.changed();
      await it.clock.untilPausing();
      await it.clock.advance(milliseconds - 1);
      assert.equal(it.reads.count, before);
      await it.clock.advance(1);
      for (let turn = 0; it.reads.count === before && turn < 10_000; turn += 1) await setImmediate();
      assert.equal(it.reads.count, before + 1);
    };
    it.reads.takesMs = 400;
    await isWrittenAfter(1000);
    it.reads.takesMs = 0;
    await isWrittenAfter(20_000);
    await isWrittenAfter(1000);
    assert.equal(it.reads.count, written + 3);
  });

  for (const [what, happens] of Object.entries({
    'a directory': async (path: string) => await mkdir(path),
    'a pipe': async (path: string) => execFileSync('mkfifo', [path]),
    'a link to itself': async (path: string) => await symlink(path, path),
  })) {
    it(`takes its places back from what lies there instead: ${what}`, async () => {
      await using it = await layoutUnderTest();
      const { path } = it;
      for (const name of ['oci-layout', 'index.json', 'partial']) {
        await rm(join(path, name), { recursive: true, force: true });
        await happens(join(path, name));
      }
      {
        await using layout = it.open();
        await layout.begin();
      }
      assert.deepEqual(await it.index(), whole);
      assert.match(await readFile(join(path, 'oci-layout'), 'utf8'), /imageLayoutVersion/);
    });
  }
});
