import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readTree } from '#src/load/image-tree.ts';
import { reasonOf } from '#src/load/load-error.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseTag, type Reference } from '#src/oci/reference.ts';
import type { Manifest } from '#src/oci/registry.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

function manifestOf(text: string, mediaType: string): Manifest {
  const bytes = Buffer.from(text);
  return { bytes, descriptor: { digest: sha256(bytes), mediaType, size: bytes.length } };
}

describe('an image as it is to be loaded', () => {
  it('is read one manifest after the other, of which none is kept', async () => {
    const children = ['no JSON', '{}'].map((text) => manifestOf(text, ociManifest));
    const manifests = children.map(({ descriptor }) => descriptor);
    const index = manifestOf(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests }), ociIndex);
    const asked: Reference[] = [];
    const settings = {
      repository: repository('quay.io/a/a'),
      platforms: [],
      getManifest: async (reference: Reference) => {
        asked.push(reference);
        return children.find(({ descriptor }) => descriptor.digest === reference) ?? index;
      },
    };
    await assert.rejects(readTree(parseTag('v1'), settings));
    assert.deepEqual(asked, ['v1', manifests[0]?.digest]);
  });
});

describe('why an image is not loaded', () => {
  it('is told in one line, whatever upstream says', () => {
    const error = new RegistryError('UNKNOWN', 'upstream said:\nFAILED x\r\n\u001b[2J gone');
    assert.equal(reasonOf(error), 'upstream said: FAILED x [2J gone');
  });
});
