import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { needs } from '../setup/needs.ts';
import { readImage } from './support/content.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

/** Debian’s docker-registry with an image, for whoever shows a certificate of the authority that has signed its own. */
async function openRegistry() {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const authority = stack.use(await TestAuthority.create());
  const client = await authority.issue('client', 'DNS:client.example');
  const tls = { ...(await authority.issue('registry', 'IP:127.0.0.1')), clientCaFile: authority.caFile };
  {
    await using open = await DockerRegistry.start({ data: path });
    const layers = [await makeLayer(path, 'layer', 3_000_000)];
    await pushImage({ reference: `${open.host}/app:v1`, layers, format: 'oci' });
  }
  const upstream = stack.use(await DockerRegistry.start({ data: path, tls }));
  const opened = stack.move();
  return {
    certificates: { ca: authority.caFile, cert: client.certFile, key: client.keyFile },

    pull: async (ociregistry: Ociregistry) => await readImage(`${ociregistry.url}/v2/up/app`, 'v1'),
    serve: async (keys: Readonly<Record<string, unknown>>) =>
      await Ociregistry.start({
        settings: { registries: [{ name: upstream.host, alias: 'up', tls: keys }] },
      }),
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

describe(
  'a registry with a private authority that asks for certificates',
  needs('docker-registry', 'crane', 'openssl'),
  () => {
    it('is pulled from with ca, cert and key', async () => {
      await using registry = await openRegistry();
      await using server = await registry.serve(registry.certificates);
      const { blobs } = await registry.pull(server);
      assert.equal(blobs.size, 2);
    });

    const faults: [what: string, keys: readonly string[], said: RegExp][] = [
      [
        'whose authority is not known',
        ['cert', 'key'],
        /certificate authority is not known; name it in tls\.ca/,
      ],
      [
        'that is shown no certificate',
        ['ca'],
        /does it want a client certificate \(tls\.cert and tls\.key\)/,
      ],
    ];
    for (const [what, keys, said] of faults) {
      it(`${what} is 502, and the log says what is missing`, async () => {
        await using registry = await openRegistry();
        const some = Object.fromEntries(
          Object.entries(registry.certificates).filter(([key]) => keys.includes(key)),
        );
        await using server = await registry.serve(some);
        const response = await fetch(`${server.url}/v2/up/app/manifests/v1`);
        assert.equal(response.status, 502);
        assert.match(await response.text(), said);
        await until('the log says it', async () => said.test(server.output));
      });
    }
  },
);
