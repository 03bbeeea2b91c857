import assert from 'node:assert/strict';
import { sha256 } from '#src/oci/digest.ts';
import { CacheDirectory } from '#test/fakes/cache-directory.ts';
import { builtImage, layoutFiles } from '#test/fakes/layouts.ts';

const mebibyte = 1024 * 1024;
/** Eight of 4 MiB each. */
export const images = Object.fromEntries(
  Array.from({ length: 8 }, (_, at) => [`quay.io/team/app:${at}`, builtImage(at, { size: 4 * mebibyte })]),
);
export const paths = Object.keys(images).map((name) => `${name.replace(':', '/manifests/')}`);
export const layers = Object.values(images).map(({ contents }) => contents[0] ?? assert.fail());

/** A cache that has these images. */
export async function filled(): Promise<CacheDirectory> {
  const cache = await CacheDirectory.make();
  await cache.import([await cache.folder('layout', layoutFiles(images))]);
  return cache;
}

/** That all of them are served from it, bit by bit. */
export async function assertWhole(cache: CacheDirectory): Promise<void> {
  const blobs = layers.map((layer) => `quay.io/team/app/blobs/${sha256(layer)}`);
  assert.deepEqual(
    await cache.served(...paths, ...blobs),
    [...Object.values(images).map(({ manifest }) => manifest), ...layers].map((content) => [
      200,
      sha256(content),
    ]),
  );
}
