import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { emptyConfig, largeBlob, sha256, smallImage } from '../../bench/content.ts';
import { pushAll, pushLarge } from '../../bench/push.ts';

interface Received {
  readonly line: string;
  readonly body: Buffer;
}

/** A registry that keeps what it is sent, and says where an upload goes on as it is told to. */
async function registry(locate: (host: string, path: string) => string, commit = 201) {
  const received: Received[] = [];
  const there = new Set<string>();
  const server = createServer((request, response) => {
    const { method = '', url = '' } = request;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ line: `${method} ${url}`, body: Buffer.concat(chunks) });
      const digest = /sha256:\w+/.exec(url)?.[0] ?? '';
      if (method === 'PUT') there.add(digest);
      const statuses = { HEAD: there.has(digest) ? 200 : 404, POST: 202, PATCH: 202, PUT: commit };
      const location = locate(request.headers.host ?? '', `/v2/bench/blobs/uploads/${received.length}`);
      response.writeHead(statuses[method as keyof typeof statuses], { location, 'content-length': 0 }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    received,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('who pushes in the bench', () => {
  it('sends each blob in three requests, where it is told to, and the manifest behind them', async () => {
    await using server = await registry((host, path) => `http://${host}${path}?_state=a%3D`);
    const image = smallImage(1);
    await pushAll(server, [image], 1);
    const lines = server.received.map(({ line }) => line);
    const [first] = image.blobs;
    assert.deepEqual(lines.slice(0, 4), [
      `HEAD /v2/bench/blobs/${first?.digest}`,
      'POST /v2/bench/blobs/uploads/',
      'PATCH /v2/bench/blobs/uploads/2?_state=a%3D',
      `PUT /v2/bench/blobs/uploads/3?_state=a%3D&digest=${first?.digest}`,
    ]);
    assert.equal(lines.length, 4 * image.blobs.length + 1);
    assert.equal(lines.at(-1), `PUT /v2/bench/manifests/${image.tag}`);
    const bodies = server.received.filter(({ line }) => line.startsWith('PATCH')).map(({ body }) => body);
    assert.deepEqual(
      bodies,
      image.blobs.map(({ bytes }) => bytes),
    );
    assert.deepEqual(server.received.at(-1)?.body, image.manifest);
  });

  it('sends all of a large blob, and what is there already no second time', async () => {
    await using server = await registry((_, path) => path);
    const blob = largeBlob(7, 5_000_000);
    await pushLarge(server, [blob], emptyConfig);
    await pushLarge(server, [blob], emptyConfig);
    const sent = server.received.filter(({ line }) => line.startsWith('PATCH'));
    assert.deepEqual(
      sent.map(({ body }) => sha256(body)),
      [blob.digest, sha256(emptyConfig)],
    );
    assert.deepEqual(server.received.at(-1)?.body, blob.manifest);
  });

  it('fails where a push does', async () => {
    await using server = await registry((_, path) => path, 400);
    await assert.rejects(pushAll(server, [smallImage(2)], 1), /PUT of an upload: 400 and not 201/);
  });
});
