import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { FinishedAnswers } from '#src/http/finished-answers.ts';
import { sha256 } from '#src/oci/digest.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { WatchedServer } from '#test/fakes/watched-server.ts';

const alpine = repository('docker.io/library/alpine');
const base = '/v2/docker.io/library/alpine';
const layer = bytes(1000);
const blob = `${base}/blobs/${sha256(layer)}`;
const freshMs = 60_000;
const mebibyte = 1024 * 1024;

async function start(maxBytes = mebibyte) {
  const server = await WatchedServer.start(new FinishedAnswers(maxBytes), {
    freshness: freshnessPolicy([], freshMs),
  });
  const { manifest } = putImage(server.cache.content, alpine, 'v1', [layer]);
  return {
    server,
    manifest: manifest.digest,
    /** How often the registry was asked for it. */
    async asked(target: string, times: number, method = 'GET', headers: readonly string[] = []) {
      const before = server.calls;
      for (let time = 0; time < times; time += 1)
        assert.equal((await server.ask({ method, target, headers })).status, 200);
      return server.calls - before;
    },
  };
}

describe('an answer that was given out of memory', () => {
  it('is given again to the same request without the cache, and to no other spelling of it', async () => {
    const { server, asked } = await start();
    await using _ = server;
    await asked(`${base}/manifests/v1`, 2);
    assert.equal(await asked(`${base}/manifests/v1`, 3), 0);
    assert.equal(await asked(`/v2//docker.io/library/alpine/manifests/v1`, 3), 1);
    assert.equal(await asked(`${base}/manifests/v1?`, 3), 1);
    assert.equal(await asked(`${base}/manifests/v1`, 3, 'HEAD'), 1);
    await asked(blob, 3);
    assert.equal(await asked(blob, 3), 0);
    assert.equal(await asked(blob, 3, 'HEAD'), 1);
  });

  it('stands as long as its tag is fresh, and moves with it', async () => {
    const { server, asked } = await start();
    await using _ = server;
    const { cache } = server;
    await asked(`${base}/manifests/v1`, 3);
    const second = putImage(cache.content, alpine, 'v1', [bytes(20)]).manifest.digest;
    await cache.clock.advance(freshMs - 1);
    assert.equal(await asked(`${base}/manifests/v1`, 1), 0);
    await cache.clock.advance(1);
    const { headers } = await server.ask({ method: 'GET', target: `${base}/manifests/v1` });
    assert.ok(headers.includes(`Docker-Content-Digest: ${second}`), headers.join('\n'));
    assert.equal(await asked(`${base}/manifests/v1`, 3), 1);
  });

  it('by digest stands whatever becomes of the tag, until another process removes the manifest', async () => {
    const { server, asked, manifest } = await start();
    await using _ = server;
    const target = `${base}/manifests/${manifest}`;
    await asked(target, 2);
    await server.cache.clock.advance(10 * freshMs);
    assert.equal(await asked(target, 1), 0);
    server.tell([{ kind: 'manifest', repository: alpine, digest: manifest }]);
    assert.equal(await asked(target, 1), 1);
  });

  it('is counted as a use like any other', async () => {
    const { server, asked, manifest } = await start();
    await using _ = server;
    await asked(`${base}/manifests/v1`, 2);
    await server.cache.clock.advance(10_000);
    await server.cache.settle();
    server.seen();
    assert.equal(await asked(`${base}/manifests/v1`, 1), 0);
    await server.cache.clock.advance(10_000);
    await server.cache.settle();
    const [use] = server.seen().filter((one) => Object(one).kind === 'record uses') as {
      readonly uses: readonly { readonly digest: string }[];
    }[];
    assert.deepEqual(
      use?.uses.map(({ digest }) => digest),
      [manifest],
    );
  });

  it('is refused like any other while the server stops', async () => {
    const { server, asked } = await start();
    await using _ = server;
    await asked(`${base}/manifests/v1`, 3);
    server.isDraining = true;
    assert.equal((await server.ask({ method: 'GET', target: `${base}/manifests/v1` })).status, 503);
  });

  it('takes no more memory than it may, whatever is asked for', async () => {
    const { server, asked } = await start(20_000);
    await using _ = server;
    const targets = Array.from({ length: 30 }, (_, at) => `${base}/manifests/v1?n=${at}`);
    for (const target of targets) await asked(target, 2);
    assert.equal(await asked(targets.at(-1) ?? '', 1), 0);
    assert.equal(await asked(targets[0] ?? '', 1), 1);
  });

  it('is not kept for a target that is long, or that names a server', async () => {
    const { server, asked } = await start();
    await using _ = server;
    for (const target of [
      `${base}/manifests/v1?${'x'.repeat(1024)}`,
      `http://localhost${base}/manifests/v1`,
    ]) {
      await asked(target, 2);
      assert.equal(await asked(target, 3), 3, target.slice(0, 60));
    }
  });

  it('is given in its turn to requests that came in one piece, to HTTP/1.0 as well', async () => {
    const { server, asked } = await start();
    await using _ = server;
    for (const target of [`${base}/manifests/v1`, blob]) await asked(target, 3);
    const before = server.calls;
    const socket = connect(server.port, '127.0.0.1');
    const get = (target: string, version = '1.1') => `GET ${target} HTTP/${version}\r\nHost: cache\r\n\r\n`;
    socket.write(get(blob) + get(`${base}/manifests/v1`) + get(blob) + get(blob, '1.0'));
    let text = '';
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
    });
    await once(socket, 'end');
    socket.destroy();
    const kinds = [...text.matchAll(/Content-Type: (\S+)/g)].map(([, type]) => type?.split('/')[1]);
    assert.deepEqual(
      kinds.map((kind) => kind === 'octet-stream'),
      [true, false, true, true],
    );
    assert.ok(text.endsWith(Buffer.from(layer).toString('latin1')));
    assert.equal(server.calls, before);
  });
});
