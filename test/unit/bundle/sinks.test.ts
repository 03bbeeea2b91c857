import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { extract } from 'tar-stream';
import type { Chunk } from '#src/bundle/bundle-list.ts';
import type { BundleSink } from '#src/bundle/bundle-sink.ts';
import { FolderSink } from '#src/bundle/folder-sink.ts';
import { StreamSink } from '#src/bundle/stream-sink.ts';
import { TarSink } from '#src/bundle/tar-sink.ts';
import { sha256 } from '#src/oci/digest.ts';
import { bytes } from '#test/fakes/images.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const list = (chunks: readonly Chunk[]) => [JSON.stringify(chunks)];

/** Many small ones, some of more than is written in one go, one of nothing. */
const sizes = [...Array.from({ length: 300 }, (_, at) => at * 37), 300_000, 0, 262_144, 1, 700_000];
const files = sizes.map((size, at) => [`blobs/sha256/${at}`, Buffer.from(bytes(size, at))] as const);

/** In pieces of one buffer, as a store reads them. */
function* inPieces(content: Buffer): Generator<Uint8Array> {
  const piece = Buffer.alloc(100_000);
  for (let at = 0; at < content.length; at += piece.length) {
    const length = content.copy(piece, 0, at);
    yield piece.subarray(0, length);
  }
}

async function readTar(tar: Buffer): Promise<[string, Buffer][]> {
  const reader = extract();
  reader.end(tar);
  const found: [string, Buffer][] = [];
  for await (const entry of reader) found.push([entry.header.name, await buffer(entry)]);
  return found;
}

describe('what a bundle is written to', () => {
  it('has each file as it was given, and takes back one that throws wherever it does', async () => {
    await using directory = await temporaryDirectory();
    const failing = (content: Buffer, at: number) =>
      async function* () {
        yield content.subarray(0, at);
        throw new Error('the body is wrong');
      };
    const fill = async (sink: BundleSink): Promise<void> => {
      for (const [at, [path, content]] of files.entries()) {
        await sink.add(path, content.length, inPieces(content));
        const wrong = Buffer.from(bytes(at % 9 === 0 ? 600_000 : 900, at));
        if (at % 3 === 0)
          await assert.rejects(
            sink.add(`blobs/sha256/x${at}`, wrong.length, failing(wrong, wrong.length - 1)()),
            {
              message: 'the body is wrong',
            },
          );
      }
      await sink.finish(list);
    };
    const tar = join(directory.path, 'b.tar');
    {
      await using sink = await TarSink.open(tar, undefined);
      await fill(sink);
    }
    const written = await readFile(tar);
    assert.deepEqual(
      await readTar(written),
      files.map(([path, content]) => [path, content]),
    );
    const [chunk] = JSON.parse(await readFile(join(directory.path, 'b.json'), 'utf8')) as [Chunk];
    assert.deepEqual([chunk.size, `sha256:${chunk.sha256}`], [written.length, sha256(written)]);
    const folder = join(directory.path, 'b');
    {
      await using sink = await FolderSink.open(folder);
      await fill(sink);
    }
    assert.equal((await readdir(join(folder, 'blobs/sha256'))).length, files.length);
    for (const [path, content] of files) assert.ok((await readFile(join(folder, path))).equals(content));
  });

  it('takes no body that has more or fewer bytes than was said, and nothing is left of one', async () => {
    for (const [said, has] of [
      [10, 9],
      [10, 11],
      [0, 1],
    ] as const) {
      await using directory = await temporaryDirectory();
      const sinks = [
        await TarSink.open(join(directory.path, 'b.tar'), undefined),
        await FolderSink.open(join(directory.path, 'b')),
        new StreamSink(new PassThrough()),
      ];
      for (const sink of sinks) {
        await using _ = sink;
        await assert.rejects(sink.add('blobs/sha256/x', said, [Buffer.alloc(has)]), /has not the \d+ bytes/);
      }
      assert.deepEqual(await readdir(directory.path), []);
    }
  });

  it('is an empty folder too, and no other that is there', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'b');
    await mkdir(folder);
    {
      await using sink = await FolderSink.open(folder);
      await sink.add('oci-layout', 1, [Buffer.alloc(1)]);
      await sink.finish();
    }
    assert.deepEqual(await readdir(folder), ['oci-layout']);
    await assert.rejects(FolderSink.open(folder), /is there already/);
  });

  it('is no tar of which the list, or a part of another time, is there', async () => {
    for (const there of ['b.json', 'b.tar.001', 'b.tar.007', 'b.tar'])
      for (const chunkSize of [undefined, 1000]) {
        await using directory = await temporaryDirectory();
        await writeFile(join(directory.path, there), 'mine');
        await assert.rejects(TarSink.open(join(directory.path, 'b.tar'), chunkSize), /is there already/);
        assert.deepEqual(await readdir(directory.path), [there]);
      }
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, 'b.tar.old'), 'mine');
    await using _ = await TarSink.open(join(directory.path, 'b.tar'), 1000);
  });

  it('writes over nothing that has come meanwhile, and leaves nothing then', async () => {
    await using directory = await temporaryDirectory();
    const there = join(directory.path, 'b.tar.002');
    {
      await using sink = await TarSink.open(join(directory.path, 'b.tar'), 4000);
      for (const at of [1, 2, 3]) await sink.add(`blobs/sha256/${at}`, 2000, [Buffer.alloc(2000)]);
      await writeFile(there, 'mine');
      await assert.rejects(sink.finish(list), { code: 'EEXIST' });
    }
    assert.deepEqual(await readdir(directory.path), ['b.tar.002']);
    assert.equal(await readFile(there, 'utf8'), 'mine');
  });

  it('ends where nobody reads any more', { timeout: 10_000 }, async () => {
    const output = new PassThrough();
    const sink = new StreamSink(output);
    const writing = sink.add('blobs/sha256/x', 1_000_000, inPieces(Buffer.alloc(1_000_000)));
    output.destroy();
    await assert.rejects(writing, /nobody reads the output any more/);
  });
});
