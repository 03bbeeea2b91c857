import type { Upstream } from '../bench-upstream.ts';
import { Candidate } from '../candidates.ts';
import { fillWith, slightPull } from '../filled-cache.ts';
import { ours } from '../peers.ts';
import { ask } from './ask.ts';
import { costOf } from './cost.ts';
import type { Dimension } from './dimension.ts';

const counts = [10, 100, 1000, 10_000];
const load = { clients: 16, seconds: 4 };

export const tags: Dimension = {
  title: 'Tags of a repository',
  about:
    'All of them cached. 16 clients ask for manifests, by any tag of all; processor time is that of one answer. Its list of tags is asked for once, and once again.',
  axis: 'tags',
  series: [
    { key: 'perSecond', name: 'cached manifests, any of all', unit: '1/s' },
    { key: 'p99Ms', name: 'time of one, p99', unit: 'ms' },
    { key: 'listMs', name: 'list of tags', unit: 'ms' },
    { key: 'listAgainMs', name: 'list of tags, again', unit: 'ms' },
  ],
  measure,
};

async function* measure(upstream: Upstream): ReturnType<Dimension['measure']> {
  await using server = await Candidate.start(ours, upstream, { metrics: true });
  for (const count of counts) {
    const repository = `many${count}`;
    await fillWith(server, 0, count, () => repository);
    const { done, cost } = await costOf(
      server,
      async () =>
        await ask(
          server,
          () => [slightPull(server.host, Math.floor(Math.random() * count), repository)],
          load,
        ),
      (served) => served.count,
    );
    const listMs = await listTime(server, repository, count);
    const listAgainMs = await listTime(server, repository, count);
    const { perSecond, p99Ms } = done;
    yield { at: count, values: { perSecond, p99Ms, listMs, listAgainMs, ...cost } };
  }
}

/** Milliseconds. Throws where it is another list. */
async function listTime({ host }: Candidate, repository: string, count: number): Promise<number> {
  const begunAt = performance.now();
  const answer = await fetch(`http://${host}/v2/${repository}/tags/list`);
  const { tags: had } = (await answer.json()) as { tags: string[] };
  if (had.length !== count) throw new Error(`${had.length} tags, and not ${count}`);
  return performance.now() - begunAt;
}
