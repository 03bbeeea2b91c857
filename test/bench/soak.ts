import { setTimeout as sleep } from 'node:timers/promises';
import { Upstream } from './bench-upstream.ts';
import { Candidate } from './candidates.ts';
import { type LargeBlob, mebibyte } from './content.ts';
import { doWrong } from './faulty-client.ts';
import { fillMemory } from './filled-memory.ts';
import { type Minute, whatGrew } from './flatness.ts';
import { download } from './load.ts';
import { ours } from './peers.ts';
import type { Open } from './process-tree.ts';
import { median } from './ratios.ts';
import { untilSettled } from './settled.ts';
import { pullNowAndThen, readSlowly, type Tally } from './soak-clients.ts';

const crowd = { slowReaders: 500, clients: 1000, faulty: 30 };
const blobs = 10;
const blobBytes = 64 * mebibyte;
const sampleMs = 1000;
const minuteMs = 60_000;
/** Connections to upstream that are kept for a while, blobs that are kept open. */
const mostLeft = 40;

/**
 * `npm run bench -- --soak MINUTES`: a crowd for so long, and what the server looks like meanwhile, a line a minute. Resolves to what was
 * not as it should be: something grew after the first minutes, or stayed, or a client had a wrong answer. What the server remembers of images, within
 * bounds, is full before the first minute: the crowd's new images would fill it for hours, which looks like a leak and would hide one. When
 * the crowd is gone, so must be what was open for it.
 */
export async function soak(minutes: number): Promise<string[]> {
  await using upstream = await Upstream.start();
  await using server = await Candidate.start(ours, upstream, { metrics: true });
  const before = server.residentMiB;
  const filledIn = await fillMemory(server);
  console.log(
    `memory is full after ${filledIn.toFixed(0)} s: ${before.toFixed(0)} MiB have become ${server.residentMiB.toFixed(0)}`,
  );
  const idle = server.open;
  const stop = new AbortController();
  const tally: Tally = { pulls: 0, wrong: 0, lastWrong: undefined, newImages: 0 };
  const crowded = Promise.all(await gather(server, upstream, tally, stop.signal));
  const seen: Minute[] = [];
  try {
    console.log('minute  RSS MiB  sockets  files  CPU %  loop delay p99 ms  most ms  pulls/s  wrong');
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
    ...(await whatStayed(server, idle)),
    ...(tally.wrong > 0 ? [`${tally.wrong} pulls of ${tally.pulls} went wrong`] : []),
  ];
}

/** What is still open when the crowd is gone, beside what was before it came. */
async function whatStayed(server: Candidate, before: Open): Promise<string[]> {
  await untilSettled(server);
  const { sockets, files } = server.open;
  console.log(
    `the crowd is gone: ${sockets} sockets (${before.sockets} before it came), ${files} files (${before.files})`,
  );
  const isAsBefore = sockets <= before.sockets + mostLeft && files <= before.files + mostLeft;
  return isAsBefore ? [] : [`${sockets} connections and ${files} files stayed open`];
}

/** Nobody of the crowd leaves before the end. */
async function failure(crowded: Promise<unknown>): Promise<never> {
  await crowded;
  throw new Error('the crowd is gone');
}

async function gather(
  server: Candidate,
  upstream: Upstream,
  tally: Tally,
  signal: AbortSignal,
): Promise<Promise<void>[]> {
  const made: LargeBlob[] = [];
  for (let at = 0; at < blobs; at += 1) {
    const blob = await upstream.newBlob(blobBytes);
    // Who reads from a transfer shares its file, for a quarter of an hour; then each has a file of its own. Here from the beginning.
    await download(server, blob);
    made.push(blob);
  }
  const some = (count: number, one: (at: number, blob: LargeBlob) => Promise<void>) =>
    Array.from({ length: count }, async (_, at) => await one(at, made[at % blobs] as LargeBlob));
  return [
    ...some(crowd.slowReaders, async (_, blob) => await readSlowly(server, blob, signal)),
    ...some(crowd.clients, async () => await pullNowAndThen(server, tally, signal)),
    ...some(crowd.faulty, async (at, blob) => await doWrong(server, blob, at, signal)),
  ];
}

async function observe(server: Candidate): Promise<Minute> {
  const end = performance.now() + minuteMs;
  const before = server.usage;
  const open: Open[] = [];
  server.forgetPeak();
  while (performance.now() < end) {
    open.push(server.open);
    await sleep(sampleMs);
  }
  const { user, system } = server.usage;
  return {
    residentMiB: server.peakMiB,
    busy: ((user + system - before.user - before.system) * 100_000) / minuteMs,
    sockets: median(open.map(({ sockets }) => sockets)),
    files: median(open.map(({ files }) => files)),
    ...(await server.loopDelay()),
  };
}

function line(number: number, minute: Minute, pulls: number, wrong: number): string {
  const { residentMiB, sockets, files, busy, delayP99, delayMost } = minute;
  const rate = (pulls * 1000) / minuteMs;
  const cells = [number, residentMiB, sockets, files, busy, delayP99, delayMost, rate, wrong];
  const widths = [6, 9, 9, 7, 7, 19, 9, 9, 7];
  return cells.map((cell, at) => cell.toFixed(0).padStart(widths[at] ?? 0)).join('');
}
