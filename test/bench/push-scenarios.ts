import type { Upstream } from './bench-upstream.ts';
import type { Candidate } from './candidates.ts';
import { emptyConfig, type LargeBlob, largeBlob, mebibyte, smallImage } from './content.ts';
import type { Contestant } from './contestant.ts';
import type { Sample } from './figures.ts';
import { checkDigest, checkImage, pullAll } from './load.ts';
import { type Measurement, measured } from './measurement.ts';
import { pushAll, pushLarge } from './push.ts';
import { untilSettled } from './settled.ts';

const count = 150;
const pushers = 8;
const blobBytes = 1024 * mebibyte;
const crowd = 20;
const crowdBytes = 16 * mebibyte;
const firstSeed = 5_000_000;

/** New images to a registry that has many; then each is pulled and compared. */
export async function pushes(contestant: Contestant, _upstream: Upstream, round: number): Promise<Sample> {
  const server = await contestant.as('hosting');
  await untilSettled(server);
  const all = Array.from({ length: count }, (_, at) => smallImage(1000 * (round + 1) + at));
  all.forEach(checkImage);
  const { measurement } = await measured(server, async () => ({
    value: await pushAll(server, all, pushers),
    operations: count,
  }));
  await pullAll(server, all, pushers);
  return { pushedImage: measurement };
}

/** To a registry of its own: what is left of it are gigabytes. One client, then many at a time. */
export async function pushesOfLarge(
  contestant: Contestant,
  _upstream: Upstream,
  round: number,
): Promise<Sample> {
  await using server = await contestant.another({ isHosting: true });
  const seed = firstSeed + 100 * round;
  const pushedBlob = await pushed(server, [largeBlob(seed, blobBytes)]);
  await untilSettled(server);
  const many = Array.from({ length: crowd }, (_, at) => largeBlob(seed + 1 + at, crowdBytes));
  return { pushedBlob, pushedCrowd: await pushed(server, many) };
}

/** Processor time for each GiB that clients have sent. */
async function pushed(server: Candidate, blobs: readonly LargeBlob[]): Promise<Measurement> {
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
  const { measurement } = await measured(server, async () => ({
    value: await pushLarge(server, blobs, emptyConfig),
    operations: bytes / 2 ** 30,
  }));
  for (const blob of blobs) await checkDigest(server, blob);
  return measurement;
}
