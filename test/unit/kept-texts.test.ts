import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRequestTarget } from '#src/http/exchange/request-target.ts';
import { ResponseReader } from '#src/net/wire/response-reader.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { ownText } from '#src/oci/own-text.ts';
import { parseTag } from '#src/oci/reference.ts';
import { heapHeldBy } from '#test/fakes/held-memory.ts';
import { headers } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

/** An answer's head may have 32 KiB. */
const wholeLength = 24 * 1024;
const count = 300;
const digest = `sha256:${'a'.repeat(64)}`;

/** A text of its own each time, as it comes from a socket. */
function long(beginning = ''): string {
  return beginning + Buffer.alloc(wholeLength, 'x').toString('latin1');
}

async function assertKeepsLittle(keep: () => unknown): Promise<void> {
  const held = await heapHeldBy(count, keep);
  assert.ok(held < (count * wholeLength) / 2, `${held} bytes for ${count} of them`);
}

describe('what was a part of a larger text, and is kept', () => {
  it('is the same text', () => {
    for (const text of ['', digest, 'é€']) assert.equal(ownText(text), text);
  });

  const kept: [what: string, keep: () => unknown][] = [
    ['a text', () => ownText(long(digest).slice(0, digest.length))],
    [
      'a request with a long query',
      () =>
        parseRequestTarget(long(`/v2/a/blobs/${digest}?ns=`))
          .path.split('/')
          .at(-1),
    ],
    [
      'a request with a long authority',
      () =>
        parseRequestTarget(`${long('http://')}/v2/a/blobs/${digest}`)
          .path.split('/')
          .at(-1),
    ],
    [
      'an answer with a body',
      async () => {
        const reader = new ResponseReader('GET', () => undefined);
        const head = `HTTP/1.1 200 OK\r\nContent-Length: ${wholeLength}\r\nX-Digest: ${digest}\r\n\r\n`;
        reader.push(Buffer.from(long(head), 'latin1'));
        return (await reader.head).headers['x-digest'];
      },
    ],
  ];
  for (const [what, keep] of kept) {
    it(`does not keep the whole of ${what}`, async () => await assertKeepsLittle(keep));
  }

  for (const mediaType of [ociManifest, 'application/vnd.example.manifest.v1+json']) {
    it(`does not keep the head of upstream's answer: a descriptor of ${mediaType}`, async () => {
      await using made = await UpstreamUnderTest.start();
      const tag = parseTag('v1');
      const bytes = Buffer.from('{"schemaVersion":2,"layers":[]}');
      made.upstream.content.putManifest(made.name, tag, bytes, mediaType);
      made.spoil(headers({ 'Content-Type': mediaType, 'X-Policy': long() }));
      await assertKeepsLittle(async () => {
        const descriptor = await made.registry.resolveManifest(made.name, tag);
        assert.equal(descriptor.mediaType, mediaType);
        return descriptor;
      });
    });
  }
});
