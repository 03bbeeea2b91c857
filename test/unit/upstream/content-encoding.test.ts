import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { decode } from '#src/net/content-encoding.ts';

describe('an encoded body', () => {
  it('of several zstd frames is decoded to its end, or refused where Node.js knows the first one only', async () => {
    const frames = ['{"tags":["v1"]', ' }'].map((text) => zstdCompressSync(Buffer.from(text)));
    const decoded = decode(Buffer.concat(frames), 'zstd', 1000);
    if (Number.parseInt(process.versions.node, 10) >= 26)
      assert.equal(String(await decoded), '{"tags":["v1"] }');
    else await assert.rejects(decoded, { code: 'UNAVAILABLE', message: /cannot be decoded/ });
  });

  it('of zstd with something else behind it is refused', async () => {
    const bytes = Buffer.concat([zstdCompressSync(Buffer.from('{}')), Buffer.from('{"tags":[]}')]);
    await assert.rejects(decode(bytes, 'zstd', 1000), { code: 'UNAVAILABLE', message: /cannot be decoded/ });
  });
});
