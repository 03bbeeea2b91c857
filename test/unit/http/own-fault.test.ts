import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { BlobUnreadableError, StoreFullError } from '#src/storage/content-store.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask, codeOf, serveRegistry } from '#test/fakes/registry-server.ts';

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: cannot open '/data/v1/blobs/x'`), { code });
}

describe('a fault of the machine on the way of a request', () => {
  for (const [error, status] of [
    [failure('EMFILE'), 503],
    [failure('ENFILE'), 503],
    [failure('EIO'), 503],
    [failure('ESTALE'), 503],
    [failure('SQLITE_BUSY'), 503],
    [failure('SQLITE_IOERR_READ'), 503],
    [new StoreFullError('no room in /data'), 503],
    [new BlobUnreadableError('cannot be read in /data'), 503],
    [failure('SQLITE_CORRUPT'), 500],
    [failure('ERR_INVALID_ARG_TYPE'), 500],
    [new TypeError('x is not a function in /data'), 500],
  ] as const) {
    it(`is ${status}, and told to the log alone: ${error.message}`, async () => {
      const registry = new MemoryRegistry();
      registry.getManifest = async () => {
        throw error;
      };
      const log = new LogLines();
      await using server = await serveRegistry(registry, { log });
      const got = await ask(server, '/v2/docker.io/x/y/manifests/v1');
      assert.equal(got.status, status);
      assert.equal(got.headers['retry-after'], status === 503 ? '5' : undefined);
      assert.equal(codeOf(got), status === 503 ? 'UNAVAILABLE' : 'UNKNOWN');
      assert.doesNotMatch(got.body.toString(), /data/);
      assert.ok(log.at('error').some((line) => line.includes(error.message)));
    });
  }
});
