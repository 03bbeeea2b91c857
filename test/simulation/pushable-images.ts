import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import type { Digest } from '#src/oci/reference.ts';
import type { Model } from './model.ts';
import type { Random } from './random.ts';

/** An image, or an index, that clients may push to any repository. */
export interface PushableImage {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Config and layers. */
  readonly blobs: readonly Digest[];
  /** Of an index. */
  readonly children: readonly PushableImage[];
  readonly subject: Digest | undefined;
}

const plainImages = 5;
const sizes: readonly (readonly [number, number])[] = [
  [1, 2000],
  [30_000, 70_000],
  [100_000, 400_000],
];
const freshLayers = 5;

/** Few, so that several clients push, mount and delete the same things. `layers`: of what upstream has, which can be mounted from there. */
export function pushableImages(model: Model, layers: readonly Digest[], random: Random): PushableImage[] {
  const fresh = Array.from({ length: freshLayers }, () => {
    const [least, most] = random.pick(sizes);
    return model.newBlob(random.between(least, most));
  });
  const pool = [...fresh, ...layers.filter((digest) => model.content.sizeOf(digest) > 0).slice(0, 2)];
  const some = (): Digest[] => random.shuffled(pool).slice(0, random.between(1, 3));
  const plain = Array.from({ length: plainImages }, () => image(model, some()));
  const [one, other] = plain as [PushableImage, PushableImage];
  const referrers = [one.digest, model.newBlob(10)].map((subject) => image(model, some(), subject));
  return [...plain, ...referrers, index(model, [one, other])];
}

function image(model: Model, layers: readonly Digest[], subject?: Digest): PushableImage {
  const config = model.newBlob(100);
  const [first, ...others] = [config, ...layers].map((digest) => ({
    mediaType: 'application/octet-stream',
    ...{ digest, size: model.content.sizeOf(digest) },
  }));
  const json = {
    ...{ schemaVersion: 2, mediaType: ociManifest, config: first, layers: others },
    ...(subject && { subject: { mediaType: ociManifest, digest: subject, size: 10 } }),
  };
  const digest = model.content.add(Buffer.from(JSON.stringify(json)));
  return { digest, mediaType: ociManifest, blobs: [config, ...layers], children: [], subject };
}

function index(model: Model, children: readonly PushableImage[]): PushableImage {
  const manifests = children.map(({ digest, mediaType }) => ({
    ...{ mediaType, digest, size: model.content.sizeOf(digest) },
  }));
  const digest = model.content.add(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests })),
  );
  return { digest, mediaType: ociIndex, blobs: [], children, subject: undefined };
}
