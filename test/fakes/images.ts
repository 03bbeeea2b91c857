import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag, type RepositoryName } from '#src/oci/reference.ts';
import type { MemoryRegistry } from '#src/registry/memory-registry.ts';

/** Bytes that look random and are the same for the same seed. */
export function bytes(size: number, seed = 1): Uint8Array {
  const result = new Uint8Array(size);
  let state = seed * 2654435761;
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    result[at] = state >>> 24;
  }
  return result;
}

export interface Image {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** Puts an image with the given layers into a registry. */
export function putImage(
  registry: MemoryRegistry,
  repository: RepositoryName,
  tag: string,
  layers: readonly Uint8Array[],
): Image {
  const config = registry.putBlob(
    repository,
    Buffer.from(JSON.stringify({ tag, seed: layers.map((layer) => sha256(layer)) })),
  );
  const stored = layers.map((layer) => registry.putBlob(repository, layer));
  const manifest = registry.putManifest(
    repository,
    parseTag(tag),
    manifestBytes(config, stored),
    ociManifest,
  );
  return { manifest, config, layers: stored };
}

function manifestBytes(config: Descriptor, layers: readonly Descriptor[]): Uint8Array {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers }));
}

/** Reads a body to its end. */
export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}
