import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { BlobUnreadableError, StoreFullError, WrongBytesError } from '#src/storage/content-store.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask, codeOf, serveRegistry } from '#test/fakes/registry-server.ts';

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: cannot open '/data/v1/blobs/x'`), { code });
}

describe('a fault of the machine that many requests meet', () => {
  it('is told once a minute, with how many they were, each of its kind by itself', async () => {
    const registry = new MemoryRegistry();
    let error = failure('EMFILE');
    registry.getManifest = async () => {
      throw error;
    };
    const log = new LogLines();
    const clock = new FakeClock();
    const headLimit = { clock, milliseconds: 20_000 };
    await using server = await serveRegistry(registry, { log, headLimit });
    const ask30 = async () => {
      for (let times = 0; times < 30; times += 1) {
        const { status } = await ask(server, '/v2/docker.io/x/y/manifests/v1');
        assert.equal(status, 503);
      }
    };
    const told = () => log.at('error').filter((line) => !line.startsWith('error request'));
    await ask30();
    assert.equal(told().length, 1);
    assert.match(told()[0] ?? '', /no file or memory left .*EMFILE/s);
    error = failure('EIO');
    await ask30();
    assert.equal(told().length, 2);
    await clock.advance(60_000);
    assert.equal(told().length, 4);
    assert.match(told()[2] ?? '', /times: 29/);
  });
});

describe('one blob that is damaged', () => {
  for (const error of [new BlobUnreadableError('cannot be read'), new WrongBytesError()])
    it(`is told as such, not as a cache that is away: ${error.name}`, async () => {
      const registry = new MemoryRegistry();
      registry.getManifest = async () => {
        throw error;
      };
      const log = new LogLines();
      await using server = await serveRegistry(registry, { log });
      const got = await ask(server, '/v2/docker.io/x/y/manifests/v1');
      assert.match(got.body.toString(), /has this damaged; ask again/);
      const told = log.at('error').filter((line) => !line.startsWith('error request'));
      assert.equal(told.length, 1);
      assert.match(told[0] ?? '', /what is stored of it is damaged/);
    });
});

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
    [new WrongBytesError('wrong bytes in /data'), 503],
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
