import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '#test/simulation/random.ts';
import { Upstream } from '../bench-upstream.ts';
import { Candidate } from '../candidates.ts';
import { type LargeBlob, mebibyte } from '../content.ts';
import { ours } from '../peers.ts';
import { machineInWords } from '../recorded-run.ts';
import { rounded } from '../text-table.ts';
import { type DayImage, pullInTime, type Tally } from './day-clients.ts';
import { dayPlan } from './day-plan.ts';
import { look, nothingSeen, type Seen } from './day-watch.ts';

/** How much goes through how little. */
export interface Day {
  /** Of all images. */
  readonly bytes: number;
  /** `cache.maxSize`. */
  readonly quotaBytes: number;
  readonly minutes: number;
}

/** Of each blob so much is held in memory, here and at upstream. Bytes. */
const blockBytes = 64 * 1024;
const lookMs = 1000;
const looksInLine = 60;

/**
 * `npm run bench -- --day MIB,QUOTA[,MINUTES]`: ten clients pull images that are larger together than the cache may be, some often, most once. Prints what they had, and the most that the
 * server took. What came within a minute is never evicted: where more than the quota comes in one, blobs pass through. Returns how many pulls went wrong.
 */
export async function dayInTheLife({ bytes, quotaBytes, minutes }: Day): Promise<number> {
  await using upstream = await Upstream.start();
  const settings = { cache: { maxSize: quotaBytes } };
  await using server = await Candidate.start(ours, upstream, { metrics: true, settings });
  const images = await imagesOf(bytes, upstream);
  await upstream.takeCounts();
  const tally: Tally = { pulls: 0, layers: 0, bytes: 0, wrong: 0, lastWrong: undefined };
  const seen = nothingSeen();
  server.forgetPeak();
  const over = new AbortController();
  const watched = watch(server, seen, tally, over.signal);
  try {
    await pullInTime(server, images, minutes * 60_000, tally);
  } finally {
    over.abort();
    await watched;
  }
  const sent = (await upstream.takeCounts())['large bytes'] ?? 0;
  for (const line of summary({ tally, seen, sent, quotaBytes, peakMiB: server.peakMiB })) console.log(line);
  if (tally.wrong > 0) console.error('The last wrong answer:', tally.lastWrong);
  return tally.wrong;
}

/** In the order in which they are pulled. */
async function imagesOf(bytes: number, upstream: Upstream): Promise<DayImage[]> {
  const plan = dayPlan(bytes, new Random(1));
  const layers: LargeBlob[] = [];
  for (const size of plan.layers) layers.push(await upstream.newBlob(size, blockBytes));
  const images: DayImage[] = [];
  for (const [number, of] of plan.images.entries()) {
    const its = of.flatMap((at) => layers[at] ?? []);
    images.push({ ...(await upstream.newImage(`day${number}`, its)), layers: its });
  }
  return plan.pulls.flatMap((number) => images[number] ?? []);
}

async function watch(server: Candidate, seen: Seen, tally: Tally, signal: AbortSignal): Promise<void> {
  console.log(machineInWords());
  while (!signal.aborted) {
    await look(server, seen);
    if (seen.looks % looksInLine === 0)
      console.log(
        `${tally.pulls} pulls, ${tally.wrong} wrong, ${gigabytes(tally.bytes)} GB; at most ${gigabytes(seen.disk)} GB on the disk`,
      );
    await sleep(lookMs, undefined, { signal }).catch(() => undefined);
  }
}

interface Result {
  readonly tally: Tally;
  readonly seen: Seen;
  /** By upstream, of layers. Bytes. */
  readonly sent: number;
  readonly quotaBytes: number;
  readonly peakMiB: number;
}

/** A table. */
function summary({ tally, seen, sent, quotaBytes, peakMiB }: Result): string[] {
  const evicted = Object.entries(seen.evicted).map(([reason, count]) => `${count} (\`${reason}\`)`);
  const ofQuota = (bytes: number) =>
    `${gigabytes(bytes)} GB (${rounded((100 * bytes) / quotaBytes)} % of the limit)`;
  const rows = {
    'pulls, wrong answers': `${tally.pulls}, ${tally.wrong}`,
    'served, sent by upstream': `${gigabytes(tally.bytes)} GB, ${gigabytes(sent)} GB`,
    'of the bytes from the cache': `${rounded(100 * (1 - sent / tally.bytes))} %`,
    'directory, most (du)': ofQuota(seen.disk),
    '`ociregistry_used_bytes`, most': ofQuota(seen.used),
    'with what was on its way, most': ofQuota(seen.usedAndReserved),
    'images evicted': evicted.join(', '),
    'seconds in which nothing could be stored': `${seen.notStoring} of ${seen.looks}`,
    'memory, most': `${rounded(peakMiB)} MiB`,
    'delay of the event loop, p99 and most of a second': `${rounded(seen.delayP99)} ms, ${rounded(seen.delayMost)} ms`,
  };
  return [
    ...['', '| | |', '| --- | --- |'],
    ...Object.entries(rows).map(([what, value]) => `| ${what} | ${value} |`),
  ];
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(bytes < 100 * mebibyte ? 3 : 1);
}
