import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '#src/oci/fault.ts';
import { parseManifest } from '#src/oci/manifest.ts';
import { dockerManifest, dockerManifestList, ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseDigest } from '#src/oci/reference.ts';
import { parseReferrers } from '#src/oci/referrers.ts';

const digest = parseDigest(`sha256:${'0'.repeat(64)}`);
const other = parseDigest(`sha256:${'1'.repeat(64)}`);

function read(manifest: unknown, contentType?: string) {
  return parseManifest(Buffer.from(JSON.stringify(manifest)), contentType);
}

describe('a manifest', () => {
  it('never makes the parser throw anything but a fault', () => {
    const names = [
      'config',
      'layers',
      'manifests',
      'blobs',
      'subject',
      'mediaType',
      'artifactType',
      'annotations',
    ];
    const manifest = fc.dictionary(fc.constantFrom(...names), fc.jsonValue());
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          manifest.map((value) => Buffer.from(JSON.stringify(value))),
        ),
        (bytes) => {
          for (const parse of [
            () => parseManifest(bytes, undefined),
            () => parseReferrers(bytes, undefined, other, 100),
          ]) {
            try {
              parse();
            } catch (error) {
              assert.ok(error instanceof Fault, String(error));
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('names its config and its layers as blobs, but not those that live elsewhere', () => {
    const layer = { mediaType: 'application/x-layer', digest: other, size: 5 };
    const config = { mediaType: 'application/x-config', digest, size: 2 };
    const foreign = { ...layer, urls: ['https://example.com/layer'] };
    const { blobs, artifactType } = read({ config, layers: [layer, foreign, { ...layer, urls: [] }] });
    assert.deepEqual(blobs, [config, layer, layer]);
    assert.equal(artifactType, 'application/x-config');
  });

  it('is read without its descriptors that are none', () => {
    const good = { mediaType: ociManifest, digest, size: 0 };
    const bad = [
      null,
      5,
      [],
      {},
      { digest },
      { digest, size: -1 },
      { digest, size: 1.5 },
      { digest: 'x', size: 1 },
      { digest, size: '1' },
    ];
    assert.deepEqual(read({ manifests: [...bad, good] }).manifests, [good]);
  });

  it('that names more than a thousand others is read as if it named none', () => {
    const one = { mediaType: 'application/x-layer', digest: other, size: 5 };
    const many = (count: number) => Array.from({ length: count }, () => one);
    const whole = read({ config: one, layers: many(1000) }, ociManifest);
    assert.deepEqual([whole.isHuge, whole.blobs.length, whole.mediaType], [false, 1001, ociManifest]);
    const subject = { ...one, digest };
    for (const lists of [
      { layers: many(1001) },
      { manifests: many(1001) },
      { layers: many(1), blobs: many(1000) },
      { layers: Array(1001).fill({}) },
    ]) {
      const { isHuge, blobs, manifests, subject: about } = read({ config: one, subject, ...lists });
      assert.deepEqual([isHuge, blobs, manifests, about], [true, [], [], digest]);
    }
  });

  it('has no text of its descriptors that is longer than it could be', () => {
    const { blobs } = read({
      layers: [{ mediaType: 'x'.repeat(256), digest, size: 1, annotations: { a: 'b' } }],
    });
    assert.deepEqual(blobs, [{ mediaType: 'application/octet-stream', digest, size: 1 }]);
    const { artifactType, annotations } = read({
      artifactType: 'x'.repeat(256),
      annotations: { a: 'x'.repeat(65_536) },
    });
    assert.deepEqual([artifactType, annotations], [undefined, undefined]);
    assert.deepEqual(read({ annotations: { a: 'b', c: 1 } }).annotations, { a: 'b' });
  });

  for (const [manifest, header, want] of [
    [{ mediaType: ociManifest }, `${ociIndex}; charset=utf-8`, ociIndex],
    [{ mediaType: ociManifest }, 'text/plain', ociManifest],
    [{ mediaType: ociManifest }, undefined, ociManifest],
    [{ manifests: [] }, 'application/json', ociIndex],
    [{ config: {}, layers: [] }, undefined, ociManifest],
    [{ blobs: [] }, undefined, 'application/vnd.oci.artifact.manifest.v1+json'],
    [
      { schemaVersion: 1, signatures: [] },
      undefined,
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
    ],
    [{ schemaVersion: 1 }, 'text/html', 'application/vnd.docker.distribution.manifest.v1+json'],
    [{ layers: [], config: {} }, ociIndex, ociManifest],
    [{ mediaType: dockerManifest, layers: [] }, dockerManifestList, dockerManifest],
    [{ manifests: [] }, dockerManifest, ociIndex],
    [{}, 'text/plain', 'application/json'],
    [{}, undefined, 'application/json'],
  ] as const) {
    it(`${JSON.stringify(manifest)} sent as ${header ?? 'nothing'} is ${want}`, () => {
      assert.equal(read(manifest, header).mediaType, want);
    });
  }
});
