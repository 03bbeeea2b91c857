import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { api, Endpoints, own, served } from '#src/http/endpoints.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { ask, codeOf, serveRegistry } from '#test/fakes/registry-server.ts';

/** The table with a push in it, and a page of our own. */
async function start() {
  const calls: unknown[] = [];
  const endpoints = new Endpoints([
    ...served,
    api('manifest', ['PUT'], 'push', ({ exchange, request, repository: name }) => {
      calls.push([request.method, name, request.reference]);
      exchange.send(201, 'text/plain', '');
    }),
    api('uploads', ['POST'], 'push', ({ exchange, request }) => {
      calls.push(request);
      exchange.send(202, 'text/plain', '');
    }),
    own('/v2/_example', ['GET'], 'version', (exchange) => exchange.sendJson(200, 'an example')),
  ]);
  return { calls, server: await serveRegistry(new MemoryRegistry(), { endpoints }) };
}

describe('an endpoint', () => {
  it('that is in the table is answered by its handler, with what its path and its parameters say', async () => {
    const { calls, server } = await start();
    await using _ = server;
    const put = await ask(server, '/v2/docker.io/a/b/manifests/v1', { method: 'PUT', body: '{}' });
    assert.equal(put.status, 201);
    const post = await ask(server, '/v2/ghcr.io/a/blobs/uploads/?from=x%2Fy&mount=d', { method: 'POST' });
    assert.equal(post.status, 202);
    assert.deepEqual(calls, [
      ['PUT', repository('docker.io/a/b'), 'v1'],
      { kind: 'uploads', method: 'POST', name: 'ghcr.io/a', mount: 'd', from: 'x/y' },
    ]);
    assert.equal((await ask(server, '/v2/_example')).body.toString(), '"an example"');
  });

  it('has no other methods than those of its rows, and says which', async () => {
    const { calls, server } = await start();
    await using _ = server;
    const refused: [method: string, path: string, allow: string][] = [
      ['DELETE', '/v2/docker.io/a/manifests/v1', 'GET, HEAD, PUT, POST'],
      ['OPTIONS', '/v2/%zz', 'GET, HEAD, PUT, POST'],
      ['POST', '/v2/docker.io/a/manifests/v1', 'GET, HEAD, PUT'],
      ['PUT', '/v2/docker.io/a/tags/list', 'GET, HEAD'],
      ['PUT', '/v2/', 'GET, HEAD'],
      ['GET', '/v2/docker.io/a/blobs/uploads/', 'POST'],
      ['HEAD', '/v2/_example', 'GET'],
    ];
    for (const [method, path, allow] of refused) {
      const answer = await ask(server, path, { method });
      assert.deepEqual([answer.status, answer.headers.allow], [405, allow], `${method} ${path}`);
      assert.equal(answer.headers.connection, 'close');
      if (method !== 'HEAD') assert.equal(codeOf(answer), 'UNSUPPORTED');
    }
    for (const [method, path] of [
      ['PUT', '/v2/docker.io/a/blobs/uploads/1'],
      ['PUT', '/v2/docker.io/a/nothing/x'],
      ['POST', '/v2/_other'],
    ] as const)
      assert.equal((await ask(server, path, { method })).status, 404, `${method} ${path}`);
    assert.deepEqual(calls, []);
  });

  it('of our own is at its path letter by letter', async () => {
    const { server } = await start();
    await using _ = server;
    for (const path of ['/v2/%5fexample', '/v2/_example/x', '/v2/_EXAMPLE'])
      assert.equal((await ask(server, path)).status, 404, path);
  });
});
