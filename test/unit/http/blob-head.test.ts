import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, it, mock } from 'node:test';
import type { RunningServer } from '#src/http/server.ts';
import { RegistryError } from '#src/oci/error.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes } from '#test/fakes/images.ts';
import { ask, codeOf, serveRegistry } from '#test/fakes/registry-server.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');

/** One blob, of whose body this comes. */
function blobOf(body: () => AsyncGenerator<Uint8Array>) {
  const registry = new MemoryRegistry();
  const { digest } = registry.putBlob(alpine, bytes(1000));
  const open = registry.getBlob.bind(registry);
  registry.getBlob = async (...call) => ({ ...(await open(...call)), body: body() });
  return { registry, path: `/v2/docker.io/library/alpine/blobs/${digest}` };
}

/** Settles when the answer's head is here. */
async function headOf(server: RunningServer, path: string): Promise<IncomingMessage> {
  const request = httpRequest({ host: '127.0.0.1', port: server.port, path, agent: false }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

describe('the head of a blob', () => {
  it('is an error of its own when no byte of the blob can be had, and says nothing of content', async () => {
    // biome-ignore lint/correctness/useYield: there is nothing to yield
    const { registry, path } = blobOf(async function* () {
      throw new RegistryError('UNAVAILABLE', 'upstream is gone');
    });
    await using server = await serveRegistry(registry);
    const got = await ask(server, path);
    assert.equal(got.isCut, false);
    assert.equal(got.status, 502);
    assert.equal(codeOf(got), 'UNAVAILABLE');
    for (const name of ['etag', 'docker-content-digest', 'cache-control', 'accept-ranges'])
      assert.equal(got.headers[name], undefined, name);
  });

  it('is an error when a small blob of upstream has wrong bytes: none of them is sent', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(1000));
    cache.upstream.body = async function* () {
      yield bytes(1000, 7);
    };
    await using server = await serveRegistry(cache.registry);
    const got = await ask(server, `/v2/docker.io/library/alpine/blobs/${digest}`);
    assert.equal(got.status, 502);
    assert.equal(got.headers['etag'], undefined);
  });

  it('is followed by no byte more than it announces, also where the first chunk is too long', async () => {
    const { registry, path } = blobOf(async function* () {
      yield bytes(1001);
    });
    await using server = await serveRegistry(registry);
    const socket = connect({ host: '127.0.0.1', port: server.port });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const answer = Buffer.concat(await socket.toArray()).toString('latin1');
    const [, body = ''] = answer.split('\r\n\r\n');
    assert.ok(body.length < 1000, `${body.length} bytes`);
  });

  it('goes ahead when the first bytes take longer than a second', async (test) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    test.after(() => mock.timers.reset());
    const first = gate();
    const { registry, path } = blobOf(async function* () {
      await first.wait();
      yield bytes(1000);
    });
    await using server = await serveRegistry(registry);
    const head = headOf(server, path);
    await first.reached;
    mock.timers.tick(1000);
    const response = await head;
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers['content-length'], '1000');
    first.open();
    assert.ok(Buffer.concat(await response.toArray()).equals(bytes(1000)));
  });
});
