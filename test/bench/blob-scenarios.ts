import type { Upstream } from './bench-upstream.ts';
import type { Candidate } from './candidates.ts';
import type { Address } from './connection.ts';
import { type LargeBlob, mebibyte } from './content.ts';
import type { Contestant } from './contestant.ts';
import type { Sample } from './figures.ts';
import { checkDigest, type Download, download, pullLarge } from './load.ts';
import { type Measurement, measured } from './measurement.ts';
import { median } from './ratios.ts';
import { untilSettled } from './settled.ts';

const blobBytes = 256 * mebibyte;
const cachedClients = 10;
const crowdClients = 20;
const layerBytes = 4 * mebibyte;
const layerCount = 25;

/** One after the other: each new, the server is not. By digest, without a manifest before it. */
export async function layers(contestant: Contestant, upstream: Upstream): Promise<Sample> {
  const server = await contestant.as('fast');
  const firstBytes: number[] = [];
  for (let at = 0; at < layerCount; at += 1) {
    const { firstByteMs } = await download(server, await upstream.newBlob(layerBytes));
    firstBytes.push(firstByteMs);
  }
  return { layerFirstByte: { value: median(firstBytes) } };
}

export async function blob(contestant: Contestant, upstream: Upstream): Promise<Sample> {
  const server = await contestant.as('fast');
  const large = await upstream.newBlob(blobBytes);
  await untilSettled(server);
  const cold = await pulled(server, large);
  await untilCached(server, upstream, large);
  const cached = await pulled(server, large, cachedClients);
  return {
    coldBlob: cold.measurement,
    coldFirstByte: { value: cold.firstByteMs },
    cachedBlob: cached.measurement,
  };
}

export async function limited(contestant: Contestant, upstream: Upstream): Promise<Sample> {
  const server = await contestant.as('limited');
  const large = await upstream.newBlob(blobBytes);
  const line: Address = { host: upstream.limitedHost, ca: upstream.ca };
  const direct = await pullLarge(line, large);
  const cold = await pulled(server, large);
  return {
    limitedBlob: cold.measurement,
    limitedShare: { value: cold.megabytesPerSecond / direct.megabytesPerSecond },
    limitedFirstByte: { value: cold.firstByteMs },
  };
}

export async function crowd(contestant: Contestant, upstream: Upstream): Promise<Sample> {
  const server = await contestant.as('fast');
  const large = await upstream.newBlob(blobBytes);
  await untilSettled(server);
  await upstream.takeCounts();
  const cold = await pulled(server, large, crowdClients);
  const counts = await upstream.takeCounts();
  await checkDigest(server, large);
  return {
    crowd: cold.measurement,
    crowdFirstByte: { value: cold.firstByteMs },
    crowdGets: { value: counts['GET large'] ?? 0 },
  };
}

/** Processor time for each GiB that clients had. */
async function pulled(
  server: Candidate,
  large: LargeBlob,
  clients = 1,
): Promise<Download & { readonly measurement: Measurement }> {
  return await measured(server, async () => {
    const done = await pullLarge(server, large, clients);
    return { ...done, value: done.megabytesPerSecond, operations: (clients * large.size) / 2 ** 30 };
  });
}

/** Reads the blob, with its digest checked, until upstream is no longer asked for it. */
async function untilCached(server: Candidate, upstream: Upstream, large: LargeBlob): Promise<void> {
  for (let tries = 0; tries < 10; tries += 1) {
    await untilSettled(server);
    await upstream.takeCounts();
    await checkDigest(server, large);
    const counts = await upstream.takeCounts();
    if ((counts['GET large'] ?? 0) === 0) return;
  }
  throw new Error(`${server.host} does not cache a blob`);
}
