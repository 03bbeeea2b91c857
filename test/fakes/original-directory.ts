import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '#src/oci/digest.ts';
import { dockerManifest, dockerManifestList, ociIndex, ociManifest } from '#src/oci/media-type.ts';
import type { Built } from './layouts.ts';

const types = [dockerManifestList, dockerManifest, ociIndex, ociManifest];
const hex = (content: Uint8Array) => sha256(content).slice('sha256:'.length);

/** A directory as Ociregistry 1.17 writes it. */
export async function writeOriginal(
  directory: string,
  images: Readonly<Record<string, Built>>,
  { pulled = '2026-01-02T03:04:05' } = {},
): Promise<void> {
  for (const name of ['lts', 'img', 'blobs']) await mkdir(join(directory, name), { recursive: true });
  for (const [imageUrl, { mediaType, manifest, contents }] of Object.entries(images)) {
    const digest = hex(manifest);
    const file = join(directory, imageUrl.endsWith(':latest') ? 'lts' : 'img', digest);
    const json = {
      ...{ type: types.indexOf(mediaType), digest, imageUrl, bytes: manifest.toString('base64') },
      ...{
        'v1.oci.index': {},
        'v1.oci.manifest': {},
        'v2.docker.manifestList': {},
        'v2.docker.manifest': {},
      },
      ...{ created: '2026-01-02T03:04:05', pulled },
    };
    await writeFile(file, JSON.stringify(json), { mode: 0o755 });
    for (const content of contents)
      if (content !== manifest && mediaType === ociManifest)
        await writeFile(join(directory, 'blobs', hex(content)), content);
  }
}
