import type { Door } from './door.ts';
import { HostedLists } from './hosted-lists.ts';
import type { World } from './world.ts';

const who = 'auditor';

/** Asks for all that has to be in repositories that live here, and for what was deleted: each answer is judged. */
export async function auditHosted(world: World, door: Door): Promise<void> {
  const { hosted, findings } = world;
  const lists = new HostedLists(world, door);
  for (const repository of hosted.repositories) {
    await lists.tags(who, repository);
    for (const tag of hosted.tagsOf(repository)) await door.headManifest(who, repository, tag);
    for (const digest of hosted.manifestsOf(repository)) {
      if (findings.first !== undefined) return;
      await door.getManifest(who, repository, digest);
      await lists.referrers(who, repository, digest);
    }
    for (const digest of hosted.blobsOf(repository)) {
      if (findings.first !== undefined) return;
      // HEAD would have it kept.
      await door.getBlob(who, repository, digest, { chunkMs: 0 });
    }
  }
}
