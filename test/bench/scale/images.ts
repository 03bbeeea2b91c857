import type { Upstream } from '../bench-upstream.ts';
import { Candidate } from '../candidates.ts';
import { fillWith, slightPull } from '../filled-cache.ts';
import { ours } from '../peers.ts';
import { ask } from './ask.ts';
import { costOf } from './cost.ts';
import type { Dimension } from './dimension.ts';

const load = { clients: 16, seconds: 4 };

/** What is different where images are many in a repository each of its own, and where they are many in few. */
interface Layout {
  readonly counts: readonly number[];
  readonly repositoryOf: (image: number) => string;
}

const series = [
  { key: 'perSecond', name: 'cached manifests, any of all', unit: '1/s' },
  { key: 'p99Ms', name: 'time of one, p99', unit: 'ms' },
  { key: 'fillMs', name: 'time of a new image while it was filled', unit: 'ms' },
  { key: 'startMs', name: 'start until the first right answer', unit: 'ms' },
];

function dimension(layout: Layout, texts: Pick<Dimension, 'title' | 'about' | 'axis'>): Dimension {
  return { ...texts, series, measure: (upstream) => measure(upstream, layout) };
}

async function* measure(
  upstream: Upstream,
  { counts, repositoryOf }: Layout,
): ReturnType<Dimension['measure']> {
  await using server = await Candidate.start(ours, upstream, { metrics: true });
  for (const [at, count] of counts.entries()) {
    const had = counts[at - 1] ?? 0;
    const seconds = await fillWith(server, had, count, repositoryOf);
    const pull = (image: number) => slightPull(server.host, image, repositoryOf(image));
    const { done, cost } = await costOf(
      server,
      async () => await ask(server, () => [pull(Math.floor(Math.random() * count))], load),
      (served) => served.count,
    );
    const startMs = await server.restart(pull(count - 1));
    const { perSecond, p99Ms } = done;
    yield {
      at: count,
      values: { perSecond, p99Ms, fillMs: (seconds * 1000) / (count - had), startMs, ...cost },
    };
  }
}

export const images = dimension(
  {
    counts: [100, 300, 1000, 3000, 10_000, 30_000, 100_000],
    repositoryOf: (image) => `r${Math.floor(image / 100)}`,
  },
  {
    title: 'Images in the cache',
    about:
      'A hundred in each repository; they differ by their manifest. 16 clients ask for manifests by tag, any of all that there are; processor time is that of one answer.',
    axis: 'images',
  },
);

export const repositories = dimension(
  { counts: [1, 10, 100, 1000, 10_000], repositoryOf: (image) => `r${image}` },
  {
    title: 'Repositories',
    about: 'An image in each. Otherwise as before.',
    axis: 'repositories',
  },
);
