import { hash } from 'node:crypto';
import type { Digest } from '#src/oci/reference.ts';
import type { OpenIndex } from './open-index.ts';
import { pathOf } from './simulated-trash.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** What the index says to be here is. */
export async function checkWhole(world: World, { graph, inventory, metadata }: OpenIndex): Promise<void> {
  for (const { repository, descriptor } of await inventory.images({ limit: 500 })) {
    const lacks = (what: string): void =>
      world.findings.add('images are whole', short(`${repository}@${descriptor.digest} lacks ${what}`));
    const missing = (await metadata.listMissingBlobs(repository, descriptor.digest, 1000)) ?? [];
    for (const { digest, isManifest } of await graph.named(repository, descriptor.digest, { limit: 1000 })) {
      if (isManifest || missing.some((each) => each.digest === digest)) continue;
      // What somebody has done to its file is found when it is read.
      if (world.spoilt.has(digest)) continue;
      const isSaid = await metadata.hasBlob(repository, digest);
      // What another process has just brought this one may not have heard of.
      if (!isSaid && !world.plan.isShared) lacks(`${digest}, of which nobody says so`);
      if (isSaid && !isOnDisk(world, digest)) lacks(`${digest}, which is said to be here`);
    }
  }
}

function isOnDisk({ disk }: World, digest: Digest): boolean {
  const content = disk.get(pathOf(digest));
  return content !== undefined && `sha256:${hash('sha256', content.read(0, content.size), 'hex')}` === digest;
}
