import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { blocksOf } from '#test/docs/attribution.ts';
import { EventReceiver } from '#test/fakes/event-receiver.ts';
import { needs } from '../setup/needs.ts';
import { crane } from './support/crane.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { freePort } from './support/free-port.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const token = 'shared-by-registry-and-cache';

/** Its configuration as the page has it, but for addresses and the secret. */
async function asDocumented(port: number): Promise<object> {
  const [block] = await blocksOf('registry');
  const text = (block?.text ?? '')
    .replace('cache:8080', `127.0.0.1:${port}`)
    .replace(/\?ns=\S+/, '')
    .replace('the-same-secret', token);
  return parse(text) as object;
}

/** Debian's docker-registry, which tells the cache in front of it what happens there. */
async function pair(does: 'revalidate' | 'prefetch') {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const port = await freePort();
  const registry = stack.use(await DockerRegistry.start({ more: await asDocumented(port) }));
  const secretFile = join(path, 'secret');
  await writeFile(secretFile, token);
  const settings = {
    port,
    registries: [{ name: registry.host, scheme: 'http', alias: 'up' }],
    // Never asked again by itself.
    cache: { freshness: 'immutable', complete: false },
    notifications: { incoming: { secretFile, do: does } },
  };
  const cache = stack.use(await Ociregistry.start({ settings }));
  const moved = stack.move();
  return { path, registry, cache, [Symbol.asyncDispose]: async () => await moved.disposeAsync() };
}

async function digestFrom({ url }: { readonly url: string }, path: string): Promise<string | null> {
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const answer = await fetch(`${url}/v2/${path}`, { method: 'HEAD', headers: { accept } });
  return answer.headers.get('docker-content-digest');
}

describe('a registry that tells its cache', needs('docker-registry', 'crane'), () => {
  it('of a push has the new image served within a second, of a tag that is fresh for ever', async () => {
    await using made = await pair('revalidate');
    const { path, registry, cache } = made;
    const push = async (layer: string) =>
      await pushImage({ reference: `${registry.host}/app:v1`, layers: [layer], format: 'oci' });
    await push(await makeLayer(path, 'one', 10_000));
    const before = await digestFrom(cache, 'up/app/manifests/v1');
    assert.equal(before, await digestFrom(registry, 'app/manifests/v1'));
    await push(await makeLayer(path, 'two', 10_000));
    const pushed = await digestFrom(registry, 'app/manifests/v1');
    assert.notEqual(pushed, before);
    const isServed = async () => (await digestFrom(cache, 'up/app/manifests/v1')) === pushed;
    await until('the cache serves what was pushed', isServed, 1000);
  });

  it('of a push has the image brought whole, though nobody has pulled it', async () => {
    await using made = await pair('prefetch');
    const { path, registry, cache } = made;
    const layers = [await makeLayer(path, 'one', 500_000)];
    await pushImage({ reference: `${registry.host}/app:v1`, layers, format: 'oci' });
    const { layers: named, config } = JSON.parse(await crane('manifest', `${registry.host}/app:v1`)) as {
      layers: { digest: string }[];
      config: { digest: string };
    };
    const blobs = [config, ...named].map(({ digest }) => digest);
    await until('the cache has all of it', async () => {
      const stored = await cache.storedDigests();
      return blobs.every((digest) => stored.has(digest));
    });
    await registry.stop();
    await cache.stores('up/app', blobs);
  });
});

describe('what a cache has to tell', needs('docker-registry', 'crane'), () => {
  it('outlives kill -9, and is told by the next process', async () => {
    await using directory = await temporaryDirectory();
    await using registry = await DockerRegistry.start();
    await using receiver = await EventReceiver.start();
    receiver.status = 503;
    const layers = [await makeLayer(directory.path, 'one', 10_000)];
    await pushImage({ reference: `${registry.host}/app:v1`, layers, format: 'oci' });
    await using cache = await Ociregistry.start({
      settings: {
        registries: [{ name: registry.host, scheme: 'http', alias: 'up' }],
        cache: { complete: false },
        notifications: { endpoints: [{ url: receiver.url, timeout: '1s' }] },
      },
    });
    const digest = await digestFrom(cache, 'up/app/manifests/v1');
    await fetch(`${cache.url}/v2/up/app/manifests/v1`).then(async (answer) => await answer.arrayBuffer());
    const refused = await receiver.event(({ target }) => target['digest'] === digest);
    await cache.stop('SIGKILL');
    receiver.received.splice(0);
    receiver.status = 200;
    await cache.startAgain();
    const told = await receiver.event(({ target }) => target['digest'] === digest);
    assert.deepEqual([told.action, told.id], ['fill', refused.id]);
  });
});
