import type { Upstream } from '../bench-upstream.ts';
import { Candidate } from '../candidates.ts';
import { type LargeBlob, mebibyte } from '../content.ts';
import { type Download, download } from '../load.ts';
import { ours } from '../peers.ts';
import { median } from '../ratios.ts';
import { untilSettled } from '../settled.ts';
import { costOf } from './cost.ts';
import type { Dimension } from './dimension.ts';

const kibibyte = 1024;
const sizes = [
  ...[1, 16, 64, 256].map((size) => size * kibibyte),
  ...[1, 4, 16, 64, 256, 1024, 4096].map((size) => size * mebibyte),
];
/** Of small ones so many; of larger ones as many as are that much together, one at least. */
const mostBlobs = 100;
const bytesTogether = 512 * mebibyte;

export const blobSize: Dimension = {
  title: 'Size of a blob',
  about:
    'One client, one blob after the other, each new; then the same ones from the cache. Processor time is that of a cold one.',
  axis: 'bytes',
  isBytes: true,
  series: [
    { key: 'coldMs', name: 'cold, median', unit: 'ms' },
    { key: 'firstByteMs', name: 'cold, first byte, median', unit: 'ms' },
    { key: 'cachedMs', name: 'cached, median', unit: 'ms' },
  ],
  measure,
};

async function* measure(upstream: Upstream): ReturnType<Dimension['measure']> {
  for (const size of sizes) {
    // Each with a directory of its own: all sizes together would be some ten gigabytes.
    await using server = await Candidate.start(ours, upstream, { metrics: true });
    const blobs: LargeBlob[] = [];
    const count = Math.max(1, Math.min(mostBlobs, Math.floor(bytesTogether / size)));
    while (blobs.length < count) blobs.push(await upstream.newBlob(size));
    await untilSettled(server);
    const { done: cold, cost } = await costOf(
      server,
      async () => await oneByOne(server, blobs),
      () => count,
    );
    await untilSettled(server);
    const cached = await oneByOne(server, blobs);
    const firstByteMs = median(cold.map((one) => one.firstByteMs));
    yield {
      at: size,
      values: { coldMs: timeOf(cold, size), firstByteMs, cachedMs: timeOf(cached, size), ...cost },
    };
  }
}

async function oneByOne(server: Candidate, blobs: readonly LargeBlob[]): Promise<Download[]> {
  const done: Download[] = [];
  for (const blob of blobs) done.push(await download(server, blob));
  return done;
}

/** Of the median one. Milliseconds. */
function timeOf(all: readonly Download[], size: number): number {
  return median(all.map(({ megabytesPerSecond }) => size / 1000 / megabytesPerSecond));
}
