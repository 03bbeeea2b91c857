import type { Upstream } from './bench-upstream.ts';
import type { Candidate } from './candidates.ts';
import { type SmallImage, smallImage } from './content.ts';
import type { Contestant } from './contestant.ts';
import type { Sample } from './figures.ts';
import { checkImage, pullAll, pullOf, requestRate } from './load.ts';
import { type Measurement, measured } from './measurement.ts';
import { untilSettled } from './settled.ts';

const count = 150;
const coldClients = 8;
const load = { clients: 16, seconds: 2 };

/** New images cold, then again at once, while the server may still be storing them, and again when it is done. */
export async function images(contestant: Contestant, _upstream: Upstream, round: number): Promise<Sample> {
  const server = await contestant.as('fast');
  await untilSettled(server);
  const all = Array.from({ length: count }, (_, at) => smallImage(1000 * (round + 1) + at));
  all.forEach(checkImage);
  const imageCold = await measured(server, async () => ({
    value: await pullAll(server, all, coldClients),
    operations: count,
  }));
  const imageBehind = await rateOf(server, all);
  const settling = { value: await untilSettled(server) };
  return { imageCold: imageCold.measurement, imageBehind, settling, imageWarm: await rateOf(server, all) };
}

/** In whole images. */
async function rateOf(server: Candidate, all: readonly SmallImage[]): Promise<Measurement> {
  const list = all.flatMap((image) => pullOf(server.host, image));
  const requestsEach = list.length / all.length;
  const { measurement } = await measured(server, async () => {
    const { perSecond, count: requests } = await requestRate(server, list, load);
    return { value: perSecond / requestsEach, operations: requests / requestsEach };
  });
  return measurement;
}
