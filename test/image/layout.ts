import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** The only image of an OCI image layout. */
async function readLayout(layout: string): Promise<{ layers: number[]; diffIds: string[] }> {
  const blob = async ({ digest }: Descriptor): Promise<unknown> =>
    JSON.parse(await readFile(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'));
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
  const [only, ...others] = index.manifests;
  if (only === undefined || others.length > 0) throw new Error(`${layout} holds not one image`);
  const { config, layers } = (await blob(only)) as Manifest;
  const { rootfs } = (await blob(config)) as { rootfs: { diff_ids: string[] } };
  return { layers: layers.map(({ size }) => size), diffIds: rootfs.diff_ids };
}

/** How many compressed bytes an image adds to its base. Throws when it does not begin with that base. */
export async function bytesBeyond(base: string, image: string): Promise<number> {
  const below = await readLayout(base);
  const { layers, diffIds } = await readLayout(image);
  const shared = below.diffIds.length;
  if (diffIds.slice(0, shared).join() !== below.diffIds.join()) throw new Error('the image has another base');
  return layers.slice(shared).reduce((sum, size) => sum + size, 0);
}
