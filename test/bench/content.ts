import { createCipheriv, createHash } from 'node:crypto';

/** A blob of any size that costs no memory: one block, over and over. */
export interface LargeBlob {
  readonly digest: string;
  readonly size: number;
  readonly block: Buffer;
}

export interface SmallImage {
  readonly tag: string;
  readonly manifest: Buffer;
  readonly mediaType: string;
  /** Config and layers. */
  readonly blobs: readonly { readonly digest: string; readonly bytes: Buffer }[];
}

export const mebibyte = 1024 * 1024;
const layerBytes = 1024;
const layers = 5;

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The same seed gives the same blob; hashing it takes half a second per GiB. */
export function largeBlob(seed: number, size: number): LargeBlob {
  const block = noise(seed, mebibyte);
  const hash = createHash('sha256');
  for (let at = 0; at < size; at += block.length) hash.update(block.subarray(0, size - at));
  return { digest: `sha256:${hash.digest('hex')}`, size, block };
}

/** Do these bytes stand at this place of the blob? */
export function isPartOf({ block }: LargeBlob, at: number, bytes: Buffer): boolean {
  for (let done = 0; done < bytes.length; ) {
    const from = (at + done) % block.length;
    const length = Math.min(bytes.length - done, block.length - from);
    if (block.compare(bytes, done, done + length, from, from + length) !== 0) return false;
    done += length;
  }
  return true;
}

/** An image of seven requests: manifest, config and five layers of 1 KB. */
export function smallImage(number: number): SmallImage {
  const parts = Array.from({ length: layers }, (_, index) => noise(number * layers + index, layerBytes));
  return imageOf(`v${number}`, configOf(number), parts);
}

/** So many layers has a layered image, the same ones: those of its base. */
const baseLayers = Array.from({ length: 36 }, (_, index) => noise(2_000_000 + index, layerBytes));

/** An image of a manifest of some 7 KB that many images share all but the config with. */
export function layeredImage(number: number): SmallImage {
  return imageOf(`layered${number}`, configOf(`layered ${number}`), baseLayers);
}

/** What a client of a layered image asks for who has its base. */
export function withoutBase({ blobs, ...image }: SmallImage): SmallImage {
  return { ...image, blobs: blobs.slice(0, 1) };
}

function configOf(number: number | string): Buffer {
  return Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', number, rootfs: { type: 'layers' } }),
  );
}

function imageOf(tag: string, config: Buffer, layersOf: readonly Buffer[]): SmallImage {
  const blobs = [config, ...layersOf].map((bytes) => ({ digest: sha256(bytes), bytes }));
  const descriptors = blobs.map(({ digest, bytes }, index) => ({
    mediaType: `application/vnd.oci.image.${index === 0 ? 'config.v1+json' : 'layer.v1.tar+gzip'}`,
    digest,
    size: bytes.length,
  }));
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = { schemaVersion: 2, mediaType, config: descriptors[0], layers: descriptors.slice(1) };
  return { tag, manifest: Buffer.from(JSON.stringify(manifest)), mediaType, blobs };
}

function noise(seed: number, length: number): Buffer {
  const key = createHash('md5').update(String(seed)).digest();
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}
