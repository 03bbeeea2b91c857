import { UploadRooms } from '#src/hosted/upload-rooms.ts';
import { sweepUploads } from '#src/hosted/upload-sweep.ts';
import { type Digest, hostedHost } from '#src/oci/reference.ts';
import { tidyUp } from '#src/retention/leaving-sweep.ts';
import { Pins } from '#src/retention/pins.ts';
import { unlimitedRoom } from '#src/storage/store-room.ts';
import { runCommand } from './command.ts';
import { lookAtIndex } from './hosted-ledger.ts';
import type { JobParts } from './job-parts.ts';
import { hostedRepositories } from './plan-of-pushes.ts';
import { pathOf } from './simulated-trash.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** Older than what is put may be when it is not known yet. Milliseconds. */
const graceMs = 8000;
const uploadsDirectory = '/cache/uploads';

/** When all leases have run out, removes what nothing needs as a server does, and looks at what is left. */
export async function lastLook(world: World): Promise<void> {
  await runCommand(world, 'last look', undefined, async (parts) => {
    await tidied(world, parts);
    await checkUploads(world, parts);
    await checkImages(world, parts);
    await checkBlobs(world, parts);
    await checkTotals(world, parts);
  });
}

async function tidied(world: World, parts: JobParts): Promise<void> {
  const { graph, metadata, trash, clock, uploads, signal } = parts;
  const removal = { graph, metadata, discarded: trash, clock, graceMs, pins: new Pins([]), changed() {} };
  const rooms = new UploadRooms(unlimitedRoom);
  // To an index that is written again all that it knows has just come.
  await clock.sleep(graceMs + 1000);
  await sweepUploads({ rules: world.hostedRules, metadata, uploads, uploadRooms: rooms, clock }, signal);
  await tidyUp(removal, signal);
}

async function checkUploads(world: World, { metadata }: JobParts): Promise<void> {
  const left = world.disk.list(uploadsDirectory);
  if (left.length > 0) tell(world, `${left.length} files of uploads`);
  const known = await metadata.countUploads();
  if (known > 0) tell(world, `${known} uploads`);
}

/** What is listed is what may be there, and all that must. */
async function checkImages(world: World, { inventory }: JobParts): Promise<void> {
  const { hosted, findings, time } = world;
  const look = lookAtIndex(time, time);
  for (const repository of hostedRepositories) {
    const images = await inventory.images({ only: repository, limit: 500 });
    const digests = images.map(({ descriptor }) => descriptor.digest);
    for (const digest of digests.filter((each) => !hosted.mayBeThere(repository, each, look)))
      findings.add('nothing else lives here', short(`${repository}@${digest} in the end`));
    for (const { digest } of hosted.mustBeThere(repository, look))
      if (!digests.includes(digest))
        findings.add('what was pushed is here', short(`${repository}@${digest} is gone in the end`));
  }
}

/** What a repository has something of it names; what nobody names is nowhere. */
async function checkBlobs(world: World, parts: JobParts): Promise<void> {
  const { metadata, graph } = parts;
  for (const digest of blobsOf(world)) {
    if ((await graph.uses(digest, 1)) === 0 && (await isLeft(world, digest, parts)))
      tell(world, `${digest}, which nothing names`);
    for (const repository of hostedRepositories) {
      if (!(await metadata.hasBlob(repository, digest))) continue;
      if ((await metadata.listManifestsOf(repository, digest, 1)).length === 0)
        tell(world, `${digest} in ${repository}, of which nothing names it`);
    }
  }
}

/** Whoever was killed between a file and its row has left a file that nobody knows of. */
async function isLeft(world: World, digest: Digest, { graph }: JobParts): Promise<boolean> {
  if ((await graph.content(digest))?.storedAt !== undefined) return true;
  return world.plan.crashes.length === 0 && world.disk.get(pathOf(digest)) !== undefined;
}

/** What lives here counts once, and nothing else does. */
async function checkTotals(world: World, { inventory, metadata }: JobParts): Promise<void> {
  const { registries } = await inventory.totals();
  let bytes = 0;
  for (const digest of new Set(world.pushable.flatMap(({ blobs }) => blobs))) {
    const owns = hostedRepositories.map(async (repository) => await metadata.hasBlob(repository, digest));
    if ((await Promise.all(owns)).includes(true)) bytes += world.model.content.sizeOf(digest);
  }
  const counted = registries.get(hostedHost)?.blobBytes ?? 0;
  if (counted !== bytes) tell(world, `${counted} bytes are counted, of ${bytes} that are here`);
}

/** Not those of the cache’s. */
function blobsOf({ pushable, model }: World): readonly Digest[] {
  const blobs = new Set(pushable.flatMap((image) => image.blobs));
  const cached = [...model.repositories.values()].flatMap((repository) => [...repository.blobs]);
  return [...blobs].filter((digest) => !cached.includes(digest));
}

function tell(world: World, what: string): void {
  world.findings.add('nothing unneeded stays', short(what));
}
