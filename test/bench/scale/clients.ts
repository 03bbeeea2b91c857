import type { Upstream } from '../bench-upstream.ts';
import { Candidate } from '../candidates.ts';
import { smallImage } from '../content.ts';
import { pullAll, pullOf } from '../load.ts';
import { ours } from '../peers.ts';
import { untilSettled } from '../settled.ts';
import { ask } from './ask.ts';
import { costOf } from './cost.ts';
import type { Dimension } from './dimension.ts';

const counts = [1, 2, 5, 10, 20, 50, 100, 200];
const imageCount = 150;
const seconds = 4;

export const clients: Dimension = {
  title: 'Clients',
  about:
    'Each pulls cached small images (a manifest, a config, five layers of 1 KB) without a pause, over one connection. Processor time is that of one image.',
  axis: 'clients',
  series: [
    { key: 'perSecond', name: 'images', unit: '1/s' },
    { key: 'medianMs', name: 'time of one, median', unit: 'ms' },
    { key: 'p99Ms', name: 'time of one, p99', unit: 'ms' },
  ],
  measure,
};

async function* measure(upstream: Upstream): ReturnType<Dimension['measure']> {
  await using server = await Candidate.start(ours, upstream, { metrics: true });
  const images = Array.from({ length: imageCount }, (_, at) => smallImage(at));
  await pullAll(server, images, 8);
  await untilSettled(server);
  const pulls = images.map((image) => pullOf(server.host, image));
  let turn = 0;
  const next = () => pulls[turn++ % pulls.length] ?? [];
  for (const count of counts) {
    const { done, cost } = await costOf(
      server,
      async () => await ask(server, next, { clients: count, seconds }),
      (served) => served.count,
    );
    const { perSecond, medianMs, p99Ms } = done;
    yield { at: count, values: { perSecond, medianMs, p99Ms, ...cost } };
  }
}
