import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { HostedClient, locationOf } from '#test/fakes/hosted-client.ts';
import { bytes } from '#test/fakes/images.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const large = bytes(20_000_000, 1);

async function serving() {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const hosted = [{ repositories: ['test/**'], open: true }];
  const app = stack.use(await runApp({ imagePath: path, hosted }));
  const moved = stack.move();
  return {
    client: new HostedClient(app.server.url, 'test/app'),
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

describe('what clients do at the same time', () => {
  it('two chunks of one upload: one is taken, the other is told how it stands', async () => {
    await using server = await serving();
    const { client } = server;
    const whole = large.subarray(0, 600_000);
    for (let round = 0; round < 10; round += 1) {
      const location = await client.begin();
      const halves = [whole.subarray(0, 300_000), whole.subarray(300_000)] as const;
      const first = await Promise.all([
        client.patch(location, halves[0], 0),
        client.patch(location, halves[0], 0),
      ]);
      const statuses = first.map(({ status }) => status).toSorted();
      assert.equal(statuses[0], 202);
      assert.ok([409, 416].includes(statuses[1] ?? 0), String(statuses));
      const second = await Promise.all([
        client.commit(location, sha256(whole), halves[1]),
        client.status('DELETE', location),
      ]);
      const [done, given] = [second[0].status, second[1]];
      // Whoever comes first has it; the other finds it in use, or gone.
      assert.ok((done === 201 && [404, 409].includes(given)) || ([404, 409].includes(done) && given === 204));
      if (done !== 201) continue;
      const got = await client.call('GET', locationOf(second[0]));
      assert.equal(sha256(Buffer.from(await got.arrayBuffer())), sha256(whole));
    }
  });

  it('deleting what is being pulled: that pull has all of it, and the next has nothing', async () => {
    await using server = await serving();
    const { client } = server;
    const { digest, blobs } = await client.pushImage('v1', [large]);
    const layer = sha256(large);
    const pulling = await client.call('GET', `blobs/${layer}`);
    const reader = pulling.body?.getReader() ?? assert.fail();
    const chunks: Uint8Array[] = [];
    const { value } = await reader.read();
    if (value !== undefined) chunks.push(value);
    assert.equal(await client.status('DELETE', `manifests/${digest}`), 202);
    for (const blob of blobs) assert.equal(await client.status('DELETE', `blobs/${blob}`), 202);
    assert.equal(await client.status('GET', `blobs/${layer}`), 404);
    assert.equal(await client.status('GET', 'manifests/v1'), 404);
    for (let next = await reader.read(); !next.done; next = await reader.read()) chunks.push(next.value);
    assert.equal(sha256(Buffer.concat(chunks)), layer);
    // And it is pushed again.
    await client.pushImage('v1', [large]);
    assert.equal(await client.status('HEAD', `blobs/${layer}`), 200);
  });

  it('a manifest that comes while its blob is deleted is whole, or refused', async () => {
    await using server = await serving();
    const { client } = server;
    for (let round = 0; round < 10; round += 1) {
      const layer = bytes(1000, 100 + round);
      const { bytes: manifest } = await client.made([layer]);
      const [put, gone] = await Promise.all([
        client.putManifest(`t${round}`, manifest),
        client.status('DELETE', `blobs/${sha256(layer)}`),
      ]);
      assert.ok(
        (put.status === 201 && gone === 405) || (put.status === 404 && gone === 202),
        `${put.status} ${gone}`,
      );
      assert.equal(await client.status('GET', `blobs/${sha256(layer)}`), put.status === 201 ? 200 : 404);
    }
  });
});
