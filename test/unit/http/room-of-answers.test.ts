import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { largeAnswers } from '#src/base/room.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import type { CallOptions } from '#src/oci/registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { CacheUnderTest } from '#test/fakes/cache-under-test.ts';
import { bytes } from '#test/fakes/images.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';

const path = '/v2/docker.io/library/alpine';
const text = Buffer.from(bytes(500_000)).toString('hex');
const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, text }));
const digest = sha256(manifest);
const tags = Array.from({ length: 30_000 }, (_, at) => parseTag(`t${at}`.padEnd(60, 'x'))).toSorted();

/** An upstream that counts what it gives, as the real one does. */
async function served() {
  const descriptor = { mediaType: ociManifest, digest, size: manifest.length };
  const upstream = Object.assign(new MemoryRegistry(), {
    getManifest: async (_name: unknown, _reference: unknown, { room }: CallOptions = {}) => {
      room?.settle(manifest.length);
      return { descriptor, bytes: manifest };
    },
    resolveManifest: async () => descriptor,
    listTags: async (_name: unknown, { room }: CallOptions = {}) => {
      room?.settle(10_000_000);
      return { tags, hasMore: false };
    },
  });
  const cache = new CacheUnderTest({ upstream, policy: { complete: false } });
  return { cache, server: await serveRegistry(cache.registry) };
}

/** Nobody has any room, when all that was begun is over. */
async function isFree(): Promise<void> {
  for (let turns = 0; largeAnswers.taken > 0 && turns < 5000; turns += 1)
    await new Promise((resolve) => setImmediate(resolve));
  assert.equal(largeAnswers.taken, 0);
}

describe('the room of a large answer', { timeout: 60_000 }, () => {
  const rows: [how: string, what: string, options: Parameters<typeof ask>[2], status: number][] = [
    ['whole', 'manifests/v1', {}, 200],
    ['as its headers', 'manifests/v1', { method: 'HEAD' }, 200],
    ['that the client has already', 'manifests/v1', { headers: { 'If-None-Match': `"${digest}"` } }, 304],
    ['whole', 'tags/list', {}, 200],
    ['as its headers', 'tags/list', { method: 'HEAD' }, 200],
    ['in part', 'tags/list?n=10000', {}, 200],
  ];
  for (const [how, what, options, status] of rows)
    it(`is given back when it was answered ${how}: ${what}`, async () => {
      const { cache, server } = await served();
      await using _cache = cache;
      await using _server = server;
      for (let times = 0; times < 3; times += 1)
        assert.equal((await ask(server, `${path}/${what}`, options)).status, status);
      await isFree();
    });

  for (const what of ['manifests/v1', 'tags/list', 'tags/list?n=10000'])
    it(`is given back when its client leaves, at whichever moment: ${what}`, async () => {
      const { cache, server } = await served();
      await using _cache = cache;
      await using _server = server;
      for (let turns = 0; turns < 15; turns += 1) {
        const client = connect({ host: '127.0.0.1', port: server.port });
        client.on('error', () => undefined);
        client.write(`GET ${path}/${what} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(2));
        if (turns > 10) await new Promise((resolve) => client.once('readable', resolve));
        for (let wait = 0; wait < turns; wait += 1) await new Promise((resolve) => setImmediate(resolve));
        client.destroy();
      }
      await isFree();
    });
});
