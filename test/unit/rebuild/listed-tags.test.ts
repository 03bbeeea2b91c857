import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { hostedHost, parseTag, repositoryName } from '#src/oci/reference.ts';
import { listedTags } from '#src/rebuild/listed-tags.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { ImageLayout } from '#src/storage/file/image-layout.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const digest = sha256(Buffer.from('manifest'));
const descriptor = { mediaType: 'application/x', digest, size: 8 };

describe('the tags of an index.json', () => {
  it('are those that were written, however many', async () => {
    await using directory = await temporaryDirectory();
    await using store = await FileBlobStore.open({ directory: directory.path });
    // What lives here, too, which nobody else may name.
    const owners = [
      repository('docker.io/library/alpine'),
      repository('localhost:5000/team/app/deep'),
      repositoryName(hostedHost, 'team/app'),
    ] as const;
    const names = Array.from(
      { length: 3000 },
      (_, at) => [owners[at % 3] ?? owners[0], parseTag(`v${at}`)] as const,
    );
    await using layout = new ImageLayout({
      ...{ directory: directory.path, directories: store.directories, clock: new FakeClock() },
      tags: async function* () {
        for (const [name, tag] of names) yield { repository: name, tag, descriptor, checkedAt: 5 };
      },
      onError: (error) => assert.fail(String(error)),
    });
    await layout.begin();
    const listed = await Array.fromAsync(listedTags(join(directory.path, 'index.json')));
    assert.deepEqual(
      listed.map(({ repository: name, tag }) => [name, tag]),
      names,
    );
    assert.deepEqual(new Set(listed.map((each) => each.digest)), new Set([digest]));
  });

  it('are none where somebody else has written it, and those that are between', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'index.json');
    const line = (name: unknown, of = digest): string =>
      JSON.stringify({
        mediaType: 'x/y',
        digest: of,
        annotations: { 'org.opencontainers.image.ref.name': name },
      });
    const lines = [
      ...[
        '',
        'null',
        '[]',
        '{}',
        '{"annotations":5}',
        'x'.repeat(200_000),
        line('latest'),
        line('alpine:v1'),
      ],
      ...[
        line(7),
        line('docker.io/a:v1', 'sha256:12' as typeof digest),
        line('docker.io/A/b:v1'),
        line('../a/b:v1'),
      ],
      ...[
        line('docker.io/a/b:v1/x'),
        line('docker.io/a/b@sha256:12:v1'),
        `${line('docker.io/acme/good:v1')},`,
        '{',
      ],
    ];
    await writeFile(path, lines.join('\n'));
    const listed = await Array.fromAsync(listedTags(path));
    assert.deepEqual(
      listed.map(({ repository: name, tag }) => `${name}:${tag}`),
      ['docker.io/acme/good:v1'],
    );
  });

  it('cannot be read of what is no file', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'rebuild.json');
    await mkdir(path);
    await assert.rejects(Array.fromAsync(listedTags(path)), /is no file/);
  });
});
