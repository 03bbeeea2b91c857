import type { Upstream } from './bench-upstream.ts';
import type { Contestant } from './contestant.ts';
import type { Sample } from './figures.ts';
import { fillWith, slightPull } from './filled-cache.ts';

const manifests = 100_000;

/** A server that has many manifests, filled once a run, ends and begins again: how long until it answers with one of them. */
export async function startOfFilled(
  contestant: Contestant,
  _upstream: Upstream,
  round: number,
): Promise<Sample> {
  const server = await contestant.as('filled', async (empty) => {
    await fillWith(empty, 0, manifests);
  });
  const value = await server.restart(slightPull(server.host, (round * 7919 + 1000) % manifests));
  // It began with nothing: all that it has used is what it needed for that.
  const { user, system } = server.usage;
  return { start: { value, user: user * 1000, system: system * 1000, residentMiB: server.residentMiB } };
}
