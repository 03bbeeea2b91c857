import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { HostedClient } from '#test/fakes/hosted-client.ts';
import { bytes } from '#test/fakes/images.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const layer = bytes(300_000, 1);

/** Two servers on one directory. */
async function twoServers() {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const hosted = [{ repositories: ['test/**'], open: true, immutableTags: ['v*'] }];
  const start = async () => new HostedClient(stack.use(await app()).server.url, 'test/app');
  const app = async () => await runApp({ imagePath: path, hosted });
  const [one, other] = [await start(), await start()];
  const moved = stack.move();
  return { one, other, [Symbol.asyncDispose]: async () => await moved.disposeAsync() };
}

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < giveUpAt, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('two servers that hold one directory', () => {
  it('have what was pushed to either, and neither has it long when it is deleted', async () => {
    await using servers = await twoServers();
    const { one, other } = servers;
    const { digest } = await one.pushImage('latest', [layer]);
    assert.equal(await other.status('GET', 'manifests/latest'), 200);
    assert.equal(await other.status('GET', 'manifests/latest'), 200);
    assert.equal(await one.status('DELETE', `manifests/${digest}`), 202);
    await until(async () => (await other.status('GET', 'manifests/latest')) === 404, 'it is still there');
    const again = await other.pushImage('latest', [bytes(1000, 2)]);
    await until(async () => {
      const got = await one.call('GET', 'manifests/latest');
      return got.headers.get('docker-content-digest') === again.digest;
    }, 'it has not moved');
  });

  it('go on with one upload by turns', async () => {
    await using servers = await twoServers();
    const { one, other } = servers;
    const location = await one.begin();
    let by = other;
    for (let at = 0; at < layer.length; at += 100_000) {
      assert.equal((await by.call('GET', location)).headers.get('range'), `0-${Math.max(0, at - 1)}`);
      assert.equal((await by.patch(location, layer.subarray(at, at + 100_000), at)).status, 202);
      by = by === one ? other : one;
    }
    assert.equal((await one.commit(location, sha256(layer))).status, 201);
    assert.equal((await other.call('GET', location)).status, 404);
    assert.equal(await other.status('GET', `blobs/${sha256(layer)}`), 200);
  });

  it('take what comes for an upload in one of them at a time, also in the one that has begun it', async () => {
    await using servers = await twoServers();
    const { one, other } = servers;
    const location = await one.begin();
    const { readable, writable } = new TransformStream<Uint8Array>();
    const writer = writable.getWriter();
    const sending = other.call('PATCH', location, { body: readable });
    await writer.write(layer.subarray(0, 100_000));
    const ranges = async (): Promise<unknown[]> => {
      const answers = await Promise.all([one, other].map(async (by) => await by.call('GET', location)));
      return answers.map(({ headers }) => headers.get('range'));
    };
    await until(async () => (await ranges()).every((range) => range === '0-99999'), 'it has not come');
    // As a client does it whose connection is gone, while its server does not know that yet.
    for (const by of [one, other])
      assert.equal((await by.patch(location, layer.subarray(0, 10), 0)).status, 409);
    await writer.close();
    assert.equal((await sending).status, 202);
    assert.deepEqual(await ranges(), ['0-99999', '0-99999']);
    assert.equal((await one.patch(location, layer.subarray(100_000), 100_000)).status, 202);
    assert.equal((await one.commit(location, sha256(layer))).status, 201);
  });

  it('let one of two images have an immutable tag', async () => {
    await using servers = await twoServers();
    const { one, other } = servers;
    const images = [await one.made([layer]), await other.made([bytes(1000, 3)])] as const;
    const answers = await Promise.all([
      one.putManifest('v1', images[0].bytes),
      other.putManifest('v1', images[1].bytes),
    ]);
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409]);
  });
});
