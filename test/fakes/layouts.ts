import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { bytes } from './images.ts';
import type { TarContent } from './tars.ts';

export type LayoutFile = readonly [path: string, content: TarContent];

/** A manifest with all that it leads to. */
export interface Built {
  readonly mediaType: string;
  readonly manifest: Buffer;
  /** Its own blobs and manifests, and itself. */
  readonly contents: readonly Buffer[];
}

export const described = (mediaType: string, content: Uint8Array) => ({
  ...{ mediaType, digest: sha256(content), size: content.length },
});

export interface ImageOptions {
  /** Of its one layer, in bytes. */
  readonly size?: number;
  /** In place of a layer of its own. */
  readonly layer?: Buffer;
  /** What it refers to. */
  readonly subject?: Buffer;
}

/** One image, the same for the same seed. */
export function builtImage(seed: number, { size = 150_000, layer, subject }: ImageOptions = {}): Built {
  const content = layer ?? Buffer.from(bytes(size, seed));
  const config = Buffer.from(JSON.stringify({ seed }));
  const manifest = Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: ociManifest },
      config: described('application/vnd.oci.image.config.v1+json', config),
      layers: [described('application/vnd.oci.image.layer.v1.tar', content)],
      ...(subject && { subject: described(ociManifest, subject) }),
    }),
  );
  return { mediaType: ociManifest, manifest, contents: [content, config, manifest] };
}

/** An index of images by their architectures, of Linux. */
export function builtIndex(images: Readonly<Record<string, Built>>): Built {
  const manifests = Object.entries(images).map(([architecture, { manifest }]) => ({
    ...described(ociManifest, manifest),
    platform: { os: 'linux', architecture },
  }));
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests }));
  const contents = [...Object.values(images).flatMap((image) => image.contents), manifest];
  return { mediaType: ociIndex, manifest, contents };
}

/** Where a layout has it. */
export function pathOf(content: Uint8Array): string {
  return `blobs/sha256/${sha256(content).slice('sha256:'.length)}`;
}

/** The files of a layout that has these images by these names. */
export function layoutFiles(images: Readonly<Record<string, Built>>): LayoutFile[] {
  const manifests = Object.entries(images).map(([name, { mediaType, manifest }]) => ({
    ...described(mediaType, manifest),
    annotations: { 'org.opencontainers.image.ref.name': name },
  }));
  const contents = new Map(
    Object.values(images)
      .flatMap((image) => image.contents)
      .map((content) => [pathOf(content), content]),
  );
  return [
    ['oci-layout', { imageLayoutVersion: '1.0.0' }],
    ['index.json', { schemaVersion: 2, manifests }],
    ...contents,
  ];
}
