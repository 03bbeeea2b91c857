import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { parseTag } from '#src/oci/reference.ts';
import { ListedNames } from '#src/rebuild/listed-names.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { ImageLayout } from '#src/storage/file/image-layout.ts';
import { listHead } from '#src/storage/name-annotations.ts';
import type { KnownName } from '#src/storage/records.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const digest = sha256(Buffer.from('manifest'));
const descriptor = { mediaType: 'application/x', digest, size: 8 };

/** An index.json with these names. */
async function written(names: readonly KnownName[]) {
  const directory = await temporaryDirectory();
  await using store = await FileBlobStore.open({ directory: directory.path });
  await using layout = new ImageLayout({
    ...{ directory: directory.path, directories: store.directories, clock: new FakeClock() },
    names: async function* () {
      yield* names;
    },
    onError: (error) => assert.fail(String(error)),
  });
  await layout.begin();
  return {
    path: join(directory.path, 'index.json'),
    [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
  };
}

const name: KnownName = {
  ...{ repository: repository('docker.io/library/alpine'), tag: parseTag('v1'), descriptor },
  isPinned: false,
  origin: 'upstream',
};

describe('the names in an index.json', () => {
  it('are those that were written, however many, with what else is lost with the index', async () => {
    const names = Array.from(
      { length: 3000 },
      (_, at): KnownName => ({
        repository: repository(at % 2 === 0 ? 'docker.io/library/alpine' : 'localhost:5000/team/app/deep'),
        tag: at % 3 === 0 ? undefined : parseTag(`v${at}`),
        descriptor,
        isPinned: at % 5 === 0,
        origin: at % 7 === 0 ? 'import' : 'upstream',
      }),
    );
    await using it = await written(names);
    const list = new ListedNames(it.path);
    const listed = await Array.fromAsync(list.read());
    const expected = names.map(({ descriptor: { mediaType }, ...each }) => ({ ...each, mediaType, digest }));
    assert.deepEqual(listed, expected);
    assert.equal(list.isWhole, true);
  });

  it('are none where somebody else has written it, and those that are between', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'index.json');
    const line = (text: unknown, of = digest): string =>
      JSON.stringify({
        mediaType: 'x/y',
        digest: of,
        annotations: { 'org.opencontainers.image.ref.name': text },
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
        line('docker.io/a/b@sha256:12'),
        line(`docker.io/a/b@${sha256(Buffer.from('another'))}`),
        line(`docker.io/a/b:v1@${digest}`),
        `${line('docker.io/acme/good:v1')},`,
        `${line(`docker.io/acme/good@${digest}`)},`,
        '{',
      ],
    ];
    await writeFile(path, lines.join('\n'));
    const list = new ListedNames(path);
    const listed = await Array.fromAsync(list.read());
    assert.deepEqual(
      listed.map(({ repository: owner, tag }) => `${owner}:${tag}`),
      ['docker.io/acme/good:v1', 'docker.io/acme/good:undefined'],
    );
    assert.equal(list.isWhole, false);
  });

  it('are all that there are only where the list has its beginning and its end', async () => {
    await using it = await written([name]);
    const whole = await readFile(it.path, 'utf8');
    const isWhole = async (text: string): Promise<boolean> => {
      await writeFile(it.path, text);
      const list = new ListedNames(it.path);
      assert.equal((await Array.fromAsync(list.read())).length, 1);
      return list.isWhole;
    };
    assert.equal(await isWhole(whole), true);
    assert.equal(await isWhole(whole.slice(0, -3)), false);
    assert.equal(await isWhole(`${whole}more\n`), false);
    // Earlier releases listed tags alone.
    assert.equal(await isWhole(whole.replace(listHead, '{"schemaVersion":2,"manifests":[')), false);
  });

  it('cannot be read of what is no file', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'rebuild.json');
    await mkdir(path);
    await assert.rejects(Array.fromAsync(new ListedNames(path).read()), /is no file/);
  });
});
