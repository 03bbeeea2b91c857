import type { Upstream } from './bench-upstream.ts';
import type { Candidate } from './candidates.ts';
import { requestOf } from './connection.ts';
import { type LargeBlob, mebibyte, smallImage } from './content.ts';
import { durability } from './durability.ts';
import type { Sample } from './figures.ts';
import { checkDigest, checkImage, download, type Expected, pullAll, pullOf, requestRate } from './load.ts';
import { median } from './report.ts';
import { wrongAnswersToShared } from './shared-layers.ts';

/** A server under load: the same program in front of the fast upstream and in front of the limited one. */
export interface Contestant {
  readonly fast: Candidate;
  readonly limited: Candidate;
}

/** Measures one server once. `round` differs each time, so that what shall be cold is new. */
export type Scenario = (contestant: Contestant, upstream: Upstream, round: number) => Promise<Sample>;

const blobBytes = 256 * mebibyte;
const warmImages = 20;
const coldImages = 150;
const layerBytes = 4 * mebibyte;
const layers = 25;
const clients = 16;
const seconds = 2;

export const scenarios: Readonly<Record<string, Scenario>> = {
  async manifests({ fast }) {
    const list = await warmed(fast);
    const gets = list.flatMap((requests) => requests[0] ?? []);
    const before = fast.cpuSeconds;
    const get = await requestRate(fast.host, gets, { clients, seconds });
    const manifestCpu = ((fast.cpuSeconds - before) * 1e6) / get.count;
    const heads = tags().map((tag) => ({
      request: requestOf('HEAD', fast.host, `/v2/bench/manifests/${tag}`),
      body: undefined,
    }));
    const head = await requestRate(fast.host, heads, { clients, seconds });
    return { manifestGet: get.perSecond, manifestCpu, manifestHead: head.perSecond };
  },

  async images({ fast }, _upstream, round) {
    const list = (await warmed(fast)).flat();
    const { perSecond } = await requestRate(fast.host, list, { clients, seconds });
    const images = Array.from({ length: coldImages }, (_, at) => smallImage(1000 * (round + 1) + at));
    images.forEach(checkImage);
    const imageCold = await pullAll(fast.host, images, 8);
    return { imageWarm: (perSecond * warmImages) / list.length, imageCold };
  },

  async durability({ fast }, upstream, round) {
    return fast.isOurs ? await durability(fast, upstream, round) : {};
  },

  async shared({ fast }, upstream) {
    return { shared: await wrongAnswersToShared(fast, upstream) };
  },

  /** One after the other: each new, the server is not. */
  async layers({ fast }, upstream) {
    const firstBytes: number[] = [];
    for (let at = 0; at < layers; at += 1) {
      const blob = await upstream.newBlob(layerBytes);
      firstBytes.push((await download(fast.host, blob)).firstByteMs);
    }
    return { layerFirstByte: median(firstBytes) };
  },

  async blob({ fast }, upstream) {
    const blob = await upstream.newBlob(blobBytes);
    const before = fast.cpuSeconds;
    const cold = await download(fast.host, blob);
    const coldCpu = (fast.cpuSeconds - before) * 1000;
    await untilCached(fast, upstream, blob);
    const beforeCached = fast.cpuSeconds;
    const cached = await download(fast.host, blob, 10);
    const cachedCpu = ((fast.cpuSeconds - beforeCached) * 1000) / ((10 * blob.size) / 2 ** 30);
    return {
      coldBlob: cold.megabytesPerSecond,
      coldFirstByte: cold.firstByteMs,
      coldCpu,
      cachedBlob: cached.megabytesPerSecond,
      cachedCpu,
    };
  },

  async limited({ limited }, upstream) {
    await warmed(limited);
    const blob = await upstream.newBlob(blobBytes);
    const direct = await download(upstream.limitedHost, blob);
    const cold = await download(limited.host, blob);
    return {
      limitedBlob: cold.megabytesPerSecond,
      limitedShare: cold.megabytesPerSecond / direct.megabytesPerSecond,
      limitedFirstByte: cold.firstByteMs,
    };
  },

  async crowd({ fast }, upstream) {
    const blob = await upstream.newBlob(blobBytes);
    await upstream.takeCounts();
    const { megabytesPerSecond, firstByteMs } = await download(fast.host, blob, 20);
    const counts = await upstream.takeCounts();
    await checkDigest(fast.host, blob);
    return { crowd: megabytesPerSecond, crowdFirstByte: firstByteMs, crowdGets: counts['GET blobs'] ?? 0 };
  },
};

function tags(): string[] {
  return Array.from({ length: warmImages }, (_, at) => smallImage(at).tag);
}

/** The requests of some images, each of which the server has answered before. */
async function warmed({ host }: Candidate): Promise<Expected[][]> {
  const images = Array.from({ length: warmImages }, (_, at) => smallImage(at));
  images.forEach(checkImage);
  for (let times = 0; times < 2; times += 1) await pullAll(host, images, 1);
  return images.map((image) => pullOf(host, image));
}

/** Reads the blob, with its digest checked, until upstream is no longer asked for it. */
async function untilCached({ host }: Candidate, upstream: Upstream, blob: LargeBlob): Promise<void> {
  for (let tries = 0; tries < 10; tries += 1) {
    await upstream.takeCounts();
    await checkDigest(host, blob);
    const counts = await upstream.takeCounts();
    if ((counts['GET blobs'] ?? 0) === 0) return;
  }
  throw new Error(`${host} does not cache a blob`);
}
