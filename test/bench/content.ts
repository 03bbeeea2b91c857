import { createCipheriv, createHash } from 'node:crypto';

/** A blob of any size that costs no memory: one block, over and over. An image has it as its only layer. */
export interface LargeBlob {
  readonly digest: string;
  readonly size: number;
  readonly block: Buffer;
  /** Of that image. */
  readonly tag: string;
  readonly manifest: Buffer;
}

export interface SmallImage {
  readonly tag: string;
  readonly manifest: Buffer;
  /** Config and layers. */
  readonly blobs: readonly { readonly digest: string; readonly bytes: Buffer }[];
}

export const mebibyte = 1024 * 1024;
export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const layerBytes = 1024;
const layers = 5;
const firstPlain = 10_000_000;

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The same seed gives the same blob; hashing it takes half a second per GiB. `blockBytes`: what it takes in memory. */
export function largeBlob(seed: number, size: number, blockBytes = mebibyte): LargeBlob {
  const block = noise(seed, blockBytes);
  const hash = createHash('sha256');
  for (let at = 0; at < size; at += block.length) hash.update(block.subarray(0, size - at));
  const digest = `sha256:${hash.digest('hex')}`;
  return { digest, size, block, tag: `large${seed}`, manifest: manifestOf(emptyConfig, [{ digest, size }]) };
}

/** An image of large layers, which others may have too. */
export function layersImage(tag: string, layersOf: readonly Part[]): Pick<SmallImage, 'tag' | 'manifest'> {
  return { tag, manifest: manifestOf(emptyConfig, layersOf, { tag }) };
}

/** All of its bytes, in order. */
export function* blocksOf({ block, size }: LargeBlob): Generator<Buffer> {
  for (let at = 0; at < size; at += block.length) yield block.subarray(0, size - at);
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

/** An image of a config and two layers that nobody else has. */
export function plainImage(number: number): SmallImage {
  const parts = [0, 1].map((index) => noise(firstPlain + 2 * number + index, layerBytes));
  return imageOf(`plain${number}`, configOf(`plain ${number}`), parts);
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

/** What all images of one large layer have in common, and all that differ by their manifest alone. */
export const emptyConfig = Buffer.from('{}');
const onlyLayer = noise(3_000_000, layerBytes);
const slightBlobs = [emptyConfig, onlyLayer].map((bytes) => ({ digest: sha256(bytes), bytes }));
const slightLayers = slightBlobs.slice(1).map(({ digest, bytes }) => ({ digest, size: bytes.length }));

/** An image that shares config and layer with all of its kind: there may be any number of them. */
export function slightImage(number: number): SmallImage {
  const annotations = { 'org.opencontainers.image.version': String(number) };
  const manifest = manifestOf(emptyConfig, slightLayers, annotations);
  return { tag: `slight${number}`, manifest, blobs: slightBlobs };
}

function configOf(number: number | string): Buffer {
  return Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', number, rootfs: { type: 'layers' } }),
  );
}

function imageOf(tag: string, config: Buffer, layersOf: readonly Buffer[]): SmallImage {
  const blobs = [config, ...layersOf].map((bytes) => ({ digest: sha256(bytes), bytes }));
  const descriptors = blobs.slice(1).map(({ digest, bytes }) => ({ digest, size: bytes.length }));
  return { tag, manifest: manifestOf(config, descriptors), blobs };
}

/** Of a layer. */
export interface Part {
  readonly digest: string;
  readonly size: number;
}

function manifestOf(config: Buffer, layersOf: readonly Part[], annotations?: object): Buffer {
  const descriptor = (kind: string, part: Part) => ({
    mediaType: `application/vnd.oci.image.${kind}`,
    ...part,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor('config.v1+json', { digest: sha256(config), size: config.length }),
    layers: layersOf.map((part) => descriptor('layer.v1.tar+gzip', part)),
    annotations,
  };
  return Buffer.from(JSON.stringify(manifest));
}

function noise(seed: number, length: number): Buffer {
  const key = createHash('md5').update(String(seed)).digest();
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}
