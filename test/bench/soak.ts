import { setTimeout as sleep } from 'node:timers/promises';
import { Upstream } from './bench-upstream.ts';
import { Candidate } from './candidates.ts';
import { type LargeBlob, mebibyte } from './content.ts';
import { doWrong } from './faulty-client.ts';
import { fillMemory } from './filled-memory.ts';
import { type Minute, whatGrew } from './flatness.ts';
import { download } from './load.ts';
import { median } from './report.ts';
import { pullNowAndThen, readSlowly, type Tally } from './soak-clients.ts';

const crowd = { slowReaders: 500, clients: 1000, faulty: 30 };
const blobs = 10;
const blobBytes = 64 * mebibyte;
const sampleMs = 1000;
const minuteMs = 60_000;

/**
 * `npm run bench -- --soak MINUTES`: a crowd for so long, and what the server looks like meanwhile, a line a minute. Resolves to what was
 * not as it should be: something grew after the first minutes, or a client had a wrong answer. What the server remembers of images, within
 * bounds, is full before the first minute: the crowd's new images would fill it for hours, which looks like a leak and would hide one.
 */
export async function soak(minutes: number): Promise<string[]> {
  await using upstream = await Upstream.start();
  await using server = await Candidate.ociregistry(upstream.host, { metrics: true });
  const before = server.residentMiB;
  const filledIn = await fillMemory(server.host);
  console.log(
    `memory is full after ${filledIn.toFixed(0)} s: ${before.toFixed(0)} MiB have become ${server.residentMiB.toFixed(0)}`,
  );
  const stop = new AbortController();
  const tally: Tally = { pulls: 0, wrong: 0, lastWrong: undefined, newImages: 0 };
  const crowded = Promise.all(await gather(server, upstream, tally, stop.signal));
  const seen: Minute[] = [];
  try {
    console.log('minute  RSS MiB  sockets  files  loop delay p99 ms  most ms  pulls/s  wrong');
    while (seen.length < minutes) {
      const before = { ...tally };
      const minute = await Promise.race([observe(server), failure(crowded)]);
      seen.push(minute);
      console.log(line(seen.length, minute, tally.pulls - before.pulls, tally.wrong - before.wrong));
    }
  } finally {
    stop.abort();
    await crowded;
  }
  if (tally.wrong > 0) console.error('The last wrong answer:', tally.lastWrong);
  return [
    ...whatGrew(seen),
    ...(tally.wrong > 0 ? [`${tally.wrong} pulls of ${tally.pulls} went wrong`] : []),
  ];
}

/** Nobody of the crowd leaves before the end. */
async function failure(crowded: Promise<unknown>): Promise<never> {
  await crowded;
  throw new Error('the crowd is gone');
}

async function gather(
  { host }: Candidate,
  upstream: Upstream,
  tally: Tally,
  signal: AbortSignal,
): Promise<Promise<void>[]> {
  const made: LargeBlob[] = [];
  for (let at = 0; at < blobs; at += 1) {
    const blob = await upstream.newBlob(blobBytes);
    // Who reads from a transfer shares its file, for a quarter of an hour; then each has a file of its own. Here from the beginning.
    await download(host, blob);
    made.push(blob);
  }
  const some = (count: number, one: (at: number, blob: LargeBlob) => Promise<void>) =>
    Array.from({ length: count }, async (_, at) => await one(at, made[at % blobs] as LargeBlob));
  return [
    ...some(crowd.slowReaders, async (_, blob) => await readSlowly(host, blob, signal)),
    ...some(crowd.clients, async () => await pullNowAndThen(host, tally, signal)),
    ...some(crowd.faulty, async (at, blob) => await doWrong({ host, blob }, at, signal)),
  ];
}

async function observe(server: Candidate): Promise<Minute> {
  const end = performance.now() + minuteMs;
  let residentMiB = 0;
  const open: { sockets: number; files: number }[] = [];
  while (performance.now() < end) {
    residentMiB = Math.max(residentMiB, server.residentMiB);
    open.push(server.open);
    await sleep(sampleMs);
  }
  return {
    residentMiB,
    sockets: median(open.map(({ sockets }) => sockets)),
    files: median(open.map(({ files }) => files)),
    ...(await server.loopDelay()),
  };
}

function line(number: number, minute: Minute, pulls: number, wrong: number): string {
  const { residentMiB, sockets, files, delayP99, delayMost } = minute;
  const cells = [number, residentMiB, sockets, files, delayP99, delayMost, (pulls * 1000) / minuteMs, wrong];
  const widths = [6, 9, 9, 7, 19, 9, 9, 7];
  return cells.map((cell, at) => cell.toFixed(0).padStart(widths[at] ?? 0)).join('');
}
