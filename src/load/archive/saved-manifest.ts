import { isObject, listIn } from '../../oci/descriptor.ts';
import { ociManifest } from '../../oci/media-type.ts';
import { compressionOf } from '../file-kind.ts';
import { LoadError } from '../load-error.ts';
import type { ArchivedBlob } from './archive-blobs.ts';
import type { SavedImage } from './read-archive.ts';

const configType = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar';

/**
 * The manifest of an image that was saved without one (`docker save` before version 25, skopeo's and podman's docker-archive): the same for the same files. Throws
 * LoadError where a file is missing, or a layer is not the one that its configuration names.
 */
export function savedManifest(
  { config, layers }: SavedImage,
  blobs: ReadonlyMap<string, ArchivedBlob>,
  configuration: (blob: ArchivedBlob) => unknown,
): Uint8Array {
  const found = blobAt(config, blobs);
  const contents = layers.map((path) => blobAt(path, blobs));
  const diffIds = diffIdsOf(configuration(found));
  if (diffIds.length !== contents.length)
    throw new LoadError(`${config} names ${diffIds.length} layers, and ${contents.length} are there`);
  for (const [at, { head, digest }] of contents.entries()) {
    if (suffixOf(head) === '' && head.length > 0 && digest !== diffIds[at])
      throw new LoadError(`${layers[at]} is not the layer that ${config} names: ${diffIds[at]}`);
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: { mediaType: configType, digest: found.digest, size: found.size },
    layers: contents.map(({ digest, size, head }) => ({
      mediaType: `${layerType}${suffixOf(head)}`,
      ...{ digest, size },
    })),
  };
  return Buffer.from(JSON.stringify(manifest));
}

function blobAt(path: string, blobs: ReadonlyMap<string, ArchivedBlob>): ArchivedBlob {
  const blob = blobs.get(path.replace(/^\.\//, ''));
  if (blob === undefined) throw new LoadError(`${JSON.stringify(path)} is missing`);
  return blob;
}

function diffIdsOf(configuration: unknown): unknown[] {
  const rootfs = isObject(configuration) ? configuration['rootfs'] : undefined;
  return [...listIn(isObject(rootfs) ? rootfs['diff_ids'] : undefined)];
}

/** Of a layer's media type (image-spec "Image Layer Filesystem Changeset"). */
function suffixOf(head: Uint8Array): '' | '+gzip' | '+zstd' {
  const compression = compressionOf(head);
  return compression === 'gzip' || compression === 'zstd' ? `+${compression}` : '';
}
