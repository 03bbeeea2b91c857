import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { needs, programOf } from '../setup/needs.ts';
import { alias } from './support/client.ts';
import { command } from './support/command.ts';
import { digestOf, digestsIn, readImage } from './support/content.ts';
import { crane } from './support/crane.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { skopeo } from './support/skopeo.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const ociIndex = 'application/vnd.oci.image.index.v1+json';

async function putManifest(repository: string, reference: string, json: { readonly mediaType: string }) {
  const body = Buffer.from(JSON.stringify(json));
  const headers = { 'Content-Type': json.mediaType };
  const response = await fetch(`${repository}/manifests/${reference}`, { method: 'PUT', headers, body });
  assert.equal(response.status, 201, await response.text());
  return { mediaType: json.mediaType, digest: digestOf(body), size: body.length };
}

/** An image; a signature in cosign's manner; an SBOM that refers to it, by the tag of registries without the API. */
async function fill(upstream: DockerRegistry) {
  await using directory = await temporaryDirectory();
  const [app, signature, sbom] = [
    await makeLayer(directory.path, 'app', 100_000),
    await makeLayer(directory.path, 'signature', 300),
    await makeLayer(directory.path, 'sbom', 5000),
  ];
  const name = `${upstream.host}/library/app`;
  await pushImage({ reference: `${name}:v1`, layers: [app], format: 'oci' });
  const repository = `${upstream.url}/v2/library/app`;
  const image = await readImage(repository, 'v1');
  const tag = image.digest.replace(':', '-');
  await pushImage({ reference: `${name}:${tag}.sig`, layers: [signature], format: 'oci' });
  await pushImage({ reference: `${name}:parts`, layers: [sbom], format: 'oci' });
  const parts = JSON.parse(await crane('manifest', `${name}:parts`)) as object;
  const size = image.manifests.get(image.digest)?.length;
  const subject = { mediaType: ociManifest, digest: image.digest, size };
  const artifact = { ...parts, mediaType: ociManifest, artifactType: 'application/spdx+json', subject };
  const referrer = await putManifest(repository, digestOf(Buffer.from(JSON.stringify(artifact))), artifact);
  const manifests = [{ ...referrer, artifactType: 'application/spdx+json' }];
  await putManifest(repository, tag, { schemaVersion: 2, mediaType: ociIndex, manifests } as never);
  return {
    image: image.digest,
    signature: { tag: `${tag}.sig`, content: await readImage(repository, `${tag}.sig`) },
    sbom: { digest: referrer.digest, content: await readImage(repository, 'parts') },
  };
}

describe('signatures and SBOMs of an image', needs('docker-registry', 'crane', 'skopeo'), () => {
  it('are there for skopeo and crane when upstream is gone, though only the image was pulled', async () => {
    await using upstream = await DockerRegistry.start();
    const { image, signature, sbom } = await fill(upstream);
    const settings = {
      registries: [{ name: upstream.host, scheme: 'http', alias }],
      cache: { complete: 'referrers' },
    };
    await using server = await Ociregistry.start({ settings });
    const pull = { server: server.host, upstream: upstream.host, repository: 'library/app', tag: 'v1' };
    await skopeo.pull(pull);
    for (const { content } of [signature, sbom])
      await server.stores(`${alias}/library/app`, content.blobs.keys());
    await upstream.stop();

    const pulled = await skopeo.pull({ ...pull, tag: signature.tag });
    assert.ok(pulled.isSupersetOf(new Set(signature.content.blobs.keys())));
    const list = await fetch(`${server.url}/v2/${alias}/library/app/referrers/${image}`);
    const { manifests } = (await list.json()) as { manifests: readonly { readonly digest: string }[] };
    assert.deepEqual(
      manifests.map(({ digest }) => digest),
      [sbom.digest],
    );
    await using directory = await temporaryDirectory();
    const source = `${server.host}/${alias}/library/app@${sbom.digest}`;
    const layout = join(directory.path, 'sbom');
    await crane('pull', '--format=oci', source, layout);
    assert.ok((await digestsIn(join(layout, 'blobs'))).isSupersetOf(new Set(sbom.content.blobs.keys())));
    await command(programOf('skopeo'), ['inspect', '--raw', '--tls-verify=false', `docker://${source}`]);
  });
});
