import type { Upstream } from './bench-upstream.ts';
import type { Candidate } from './candidates.ts';
import { type LargeBlob, mebibyte, smallImage } from './content.ts';
import type { Contestant } from './contestant.ts';
import type { Sample } from './figures.ts';
import { download, manifestRequest, pullAll, requestRate } from './load.ts';
import { untilSettled } from './settled.ts';

const blobCount = 10;
const blobBytes = 1024 * mebibyte;
const images = 20;
const clients = 4;

/**
 * Ten cold blobs stream to a client each while others ask for manifests without a pause: how late the server's event loop is, by its own page of metrics. Nothing of a
 * server that has no such page.
 */
export async function streams(contestant: Contestant, upstream: Upstream): Promise<Sample> {
  await using server = await contestant.another({ metrics: true });
  const { delayP99 } = await server.loopDelay();
  if (Number.isNaN(delayP99)) return {};
  const blobs: LargeBlob[] = [];
  while (blobs.length < blobCount) blobs.push(await upstream.newBlob(blobBytes));
  await pullAll(server, cachedImages(), 1);
  await untilSettled(server);
  await server.loopDelay();
  const over = new AbortController();
  const streaming = Promise.all(blobs.map(async (blob) => await download(server, blob)));
  await Promise.all([streaming.finally(() => over.abort()), askFor(server, over.signal)]);
  const after = await server.loopDelay();
  return { loopP99: { value: after.delayP99 }, loopMost: { value: after.delayMost } };
}

async function askFor(server: Candidate, signal: AbortSignal): Promise<void> {
  const list = cachedImages().map(({ tag, manifest: body }) => ({
    request: manifestRequest('GET', server.host, tag),
    body,
  }));
  while (!signal.aborted) await requestRate(server, list, { clients, seconds: 0.5 });
}

function cachedImages() {
  return Array.from({ length: images }, (_, at) => smallImage(at));
}
