import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';

/** An image without layers, as files: its name for skopeo. */
export async function emptyImage(path: string): Promise<string> {
  const directory = join(path, 'empty');
  await mkdir(directory);
  const config = '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}';
  const digest = sha256(new TextEncoder().encode(config));
  await writeFile(join(directory, digest.slice('sha256:'.length)), config);
  const described = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: config.length };
  const manifest = { schemaVersion: 2, mediaType: ociManifest, config: described, layers: [] };
  await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest));
  await writeFile(join(directory, 'version'), 'Directory Transport Version: 1.1\n');
  return `dir:${directory}`;
}
