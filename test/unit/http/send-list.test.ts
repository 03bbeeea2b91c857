import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';

const path = '/v2/docker.io/library/alpine';
const subject = sha256(Buffer.from('subject'));

/** A registry of so many tags, in no order, and so many referrers with texts of many bytes a character. */
function registryOf(count: number) {
  const tags = Array.from({ length: count }, (_, at) => parseTag(`t${(at * 7919) % count}`));
  const referrers = tags.map((tag) => ({
    mediaType: ociManifest,
    digest: sha256(Buffer.from(tag)),
    size: 1,
    annotations: { 'org.example.title': `„${tag}“ 中文` },
  }));
  const registry = Object.assign(new MemoryRegistry(), {
    listTags: async () => ({ tags, hasMore: false }),
    listReferrers: async () => ({ referrers }),
  });
  return { registry, tags, referrers };
}

describe('a list that is answered', () => {
  for (const count of [0, 1, 10, 20_011]) {
    it(`is one JSON text of its length, with ${count} entries as with few`, async () => {
      const { registry, tags, referrers } = registryOf(count);
      await using server = await serveRegistry(registry);
      for (const [what, want, type] of [
        ['tags/list', { name: 'library/alpine', tags: tags.toSorted() }, 'application/json'],
        [`referrers/${subject}`, { schemaVersion: 2, mediaType: ociIndex, manifests: referrers }, ociIndex],
      ] as const) {
        const { status, headers, body } = await ask(server, `${path}/${what}`);
        assert.equal(body.toString(), JSON.stringify(want));
        assert.deepEqual(
          [status, headers['content-type'], headers['content-length']],
          [200, type, String(body.length)],
        );
        const head = await ask(server, `${path}/${what}`, { method: 'HEAD' });
        assert.deepEqual(
          [head.status, head.headers['content-length'], head.body.length],
          [200, String(body.length), 0],
        );
      }
    });
  }

  it('is refused while readers who do not read have too many of them, and is sent again when they have left', {
    timeout: 60_000,
  }, async () => {
    const tags = Array.from({ length: 100_000 }, (_, at) => parseTag(`t${at}`.padEnd(120, 'x')));
    const registry = Object.assign(new MemoryRegistry(), {
      listTags: async () => ({ tags: tags.toSorted(), hasMore: false }),
    });
    await using server = await serveRegistry(registry);
    const idle = Array.from({ length: 8 }, () => {
      const socket = connect({ host: '127.0.0.1', port: server.port });
      socket.on('error', () => undefined);
      socket.pause();
      socket.write(`GET ${path}/tags/list HTTP/1.1\r\nHost: x\r\n\r\n`);
      return socket;
    });
    const status = async (): Promise<number> =>
      (await ask(server, `${path}/tags/list`, { method: 'HEAD' })).status;
    while ((await status()) !== 503);
    for (const socket of idle) socket.destroy();
    while ((await status()) !== 200);
  });
});
