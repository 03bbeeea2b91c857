import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { ImageLayout } from '#src/storage/file/image-layout.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const record = {
  repository: repository('docker.io/library/alpine'),
  tag: parseTag('v1'),
  descriptor: { mediaType: ociManifest, digest: sha256(Buffer.from('x')), size: 1 },
  checkedAt: 0,
};

describe('the image layout', () => {
  it('tells at its end what an earlier process had no time to write, and leaves nothing beside it', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await mkdir(join(path, 'partial'));
    await writeFile(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(path, 'index.json'), '{"schemaVersion":2,"manifests":[]}');
    {
      await using layout = new ImageLayout({
        directory: path,
        clock: new FakeClock(),
        async *tags() {
          yield record;
        },
        onError: (error) => assert.ifError(error),
      });
      await layout.begin();
    }
    const { manifests } = JSON.parse(await readFile(join(path, 'index.json'), 'utf8'));
    assert.deepEqual(manifests, [
      {
        ...record.descriptor,
        annotations: { 'org.opencontainers.image.ref.name': 'docker.io/library/alpine:v1' },
      },
    ]);
    assert.deepEqual((await readdir(path, { recursive: true })).sort(), [
      'index.json',
      'oci-layout',
      'partial',
    ]);
  });
});
