import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FillSize } from '#src/cache/fills/fill-size.ts';
import { sha256 } from '#src/oci/digest.ts';

const digest = sha256(Buffer.from('whatever'));
const GiB = 2 ** 30;

describe('what may come of a blob whose size nobody says', () => {
  it('is no more than registries take, and far less while nobody waits for it', () => {
    const size = new FillSize({ digest, size: undefined });
    assert.deepEqual([size.limit, size.limitAlone], [20 * GiB, GiB]);
  });

  it('is what upstream announces, once it does', () => {
    const size = new FillSize({ digest, size: undefined });
    size.agree({ size: 100 * GiB });
    assert.deepEqual([size.limit, size.limitAlone], [100 * GiB, 100 * GiB]);
  });

  it('is what its manifest claims, or as much where another repository’s reader does not know', () => {
    const size = new FillSize({ digest, size: 5 });
    assert.deepEqual([size.limit, size.limitAlone], [5, 5]);
    size.allow(undefined);
    assert.deepEqual([size.limit, size.limitAlone], [20 * GiB, GiB]);
  });
});
