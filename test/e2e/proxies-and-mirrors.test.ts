import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { needs } from '../setup/needs.ts';
import { readImage } from './support/content.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { assertWithout } from './support/secrets.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { Tinyproxy } from './support/tinyproxy.ts';
import { until } from './support/until.ts';

const password = 'correct-horse';

/** A directory for registries that holds `app:v1`, of one layer. */
async function withImage() {
  const directory = await temporaryDirectory();
  await using open = await DockerRegistry.start({ data: directory.path });
  const layers = [await makeLayer(directory.path, 'layer', 3_000_000)];
  await pushImage({ reference: `${open.host}/app:v1`, layers, format: 'oci' });
  return directory;
}

describe(
  'tinyproxy between here and the upstream',
  needs('docker-registry', 'crane', 'tinyproxy', 'openssl'),
  () => {
    it('lets a whole image through, by tunnels for https and by URLs for http', async () => {
      await using directory = await withImage();
      await using authority = await TestAuthority.create();
      const tls = await authority.issue('registry', 'IP:127.0.0.1');
      await using secure = await DockerRegistry.start({ data: directory.path, tls });
      await using plain = await DockerRegistry.start({ data: directory.path });
      await using proxy = await Tinyproxy.start('robot', password);
      await using server = await Ociregistry.start({
        settings: {
          upstream: { proxy: `http://robot:${password}@${proxy.host}`, ca: authority.caFile },
          registries: [
            { name: secure.host, alias: 'secure' },
            { name: plain.host, alias: 'plain', scheme: 'http' },
          ],
        },
      });
      const image = await readImage(`${server.url}/v2/secure/app`, 'v1');
      assert.deepEqual(new Set(proxy.calls), new Set([`CONNECT ${secure.host}`]));
      const asked = proxy.calls.length;
      assert.equal((await readImage(`${server.url}/v2/plain/app`, 'v1')).digest, image.digest);
      const rest = proxy.calls.slice(asked);
      assert.ok(
        rest.length > 1 && rest.every((call) => call.includes(`http://${plain.host}/v2/app/`)),
        rest.join(),
      );
      assertWithout([password], server.output);
    });

    it('is named to whoever pulls when it refuses the password, and when it is gone', async () => {
      await using directory = await withImage();
      await using upstream = await DockerRegistry.start({ data: directory.path });
      await using proxy = await Tinyproxy.start('robot', password);
      await using server = await Ociregistry.start({
        settings: {
          registries: [
            {
              name: upstream.host,
              alias: 'up',
              scheme: 'https',
              upstream: { proxy: `http://robot:wrong-horse@${proxy.host}` },
            },
          ],
        },
      });
      const ask = async () => {
        const response = await fetch(`${server.url}/v2/up/app/manifests/v1`);
        return `${response.status} ${await response.text()}`;
      };
      assert.match(
        await ask(),
        /^502 .*the proxy gave no way to .*: it answered 401 .it wants other credentials/,
      );
      await proxy.stop();
      assert.match(await ask(), /^502 .*no answer from the proxy/);
      for (const said of [`the proxy ${proxy.host} `, 'connection refused'])
        await until(`the log says: ${said}`, async () => server.output.includes(said));
      assertWithout(['wrong-horse'], server.output);
    });
  },
);

describe('another ociregistry as a mirror', needs('docker-registry', 'crane'), () => {
  it('is asked first, gives what it holds when the registry is gone, and is done without when it is gone', async () => {
    await using directory = await withImage();
    await using upstream = await DockerRegistry.start({ data: directory.path });
    const registry = { name: upstream.host, scheme: 'http' };
    await using mirror = await Ociregistry.start({ settings: { registries: [registry] } });
    const settings = { registries: [{ ...registry, alias: 'up', endpoints: [mirror.url] }] };
    await using first = await Ociregistry.start({ settings });
    await using second = await Ociregistry.start({ settings });
    await using third = await Ociregistry.start({ settings });
    const image = await readImage(`${first.url}/v2/up/app`, 'v1');
    const ns = `ns=${encodeURIComponent(upstream.host)}`;
    assert.ok(mirror.requests().includes(`GET /v2/app/manifests/v1?${ns}`), mirror.requests().join('\n'));
    await mirror.stores(`${upstream.host}/app`, image.blobs.keys());
    await upstream.stop();
    assert.equal((await readImage(`${second.url}/v2/up/app`, 'v1')).digest, image.digest);
    await mirror.stop('SIGTERM');
    const { status } = await fetch(`${third.url}/v2/up/app/manifests/v1`);
    assert.equal(status, 502);
  });
});
