import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { BundleBlobs } from '#src/bundle/bundle-blobs.ts';
import { newHead } from '#src/bundle/bundle-list.ts';
import type { BundleSink } from '#src/bundle/bundle-sink.ts';
import { StreamSink } from '#src/bundle/stream-sink.ts';
import { LoadError } from '#src/load/load-error.ts';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { bytes } from '#test/fakes/images.ts';

const layer = Buffer.from(bytes(300_000));
const digest = sha256(layer);

/** A store that has the layer, and gives other bytes of it from its so manieth reading on. */
async function blobsTo(sink: BundleSink, { wrongFrom = 99, signal = new AbortController().signal } = {}) {
  const content = new MemoryBlobStore();
  await content.keep(verifyWhole(digest, layer), layer);
  const open = content.open.bind(content);
  let readings = 0;
  content.open = async (wanted) => {
    const blob = await open(wanted);
    if (blob === undefined) return undefined;
    const right = blob.read.bind(blob);
    const read = (): AsyncIterable<Uint8Array> => {
      readings += 1;
      return readings < wrongFrom ? right() : changed(right());
    };
    return {
      digest: wanted,
      size: blob.size,
      read,
      [Symbol.asyncDispose]: async () => await blob[Symbol.asyncDispose](),
    };
  };
  const blobs = new BundleBlobs({ content, sink, head: newHead(undefined), earlier: undefined, signal });
  return { blobs, readings: () => readings };
}

async function* changed(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) yield Uint8Array.from(chunk, (byte) => byte ^ 1);
}

describe('the blobs of a bundle', () => {
  it('are no more where one has changed since it was found right, on a stream that takes nothing back', async () => {
    const output = new PassThrough();
    output.resume();
    const { blobs } = await blobsTo(new StreamSink(output), { wrongFrom: 2 });
    await assert.rejects(blobs.add(digest), (error) => !(error instanceof LoadError));
  });

  it('lack one that is wrong, which is read once, however many images have it', async () => {
    const output = new PassThrough();
    output.resume();
    const { blobs, readings } = await blobsTo(new StreamSink(output), { wrongFrom: 1 });
    for (let images = 0; images < 3; images += 1) await assert.rejects(blobs.add(digest), LoadError);
    assert.equal(readings(), 1);
    assert.deepEqual([...blobs.listed], []);
  });

  it('end in the middle of one when they are told to', async () => {
    const stop = new AbortController();
    const output = new Writable({
      write(_chunk, _, done) {
        stop.abort(new Error('interrupted'));
        done();
      },
    });
    const { blobs } = await blobsTo(new StreamSink(output), { signal: stop.signal });
    await assert.rejects(blobs.add(digest), /interrupted/);
  });
});
