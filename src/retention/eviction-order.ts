import type { Clock } from '../base/clock.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { ImageGraph, ImageNode } from '../storage/image-graph.ts';
import { roots } from './roots.ts';

/** What was used on two days counts as used so much later: it outlives what was used once, and not for ever what nobody uses any more. Milliseconds. */
const repeatedMs = 30 * 86_400_000;

/** The roots of repositories that are meant, in the order in which they give way. */
export async function* evictionOrder(
  graph: ImageGraph,
  clock: Clock,
  isMeant: (repository: RepositoryName) => boolean,
): AsyncGenerator<ImageNode> {
  const once = roots(graph, clock, { use: 'once', isMeant });
  const repeated = roots(graph, clock, { use: 'repeated', isMeant });
  let [one, other] = [await once.next(), await repeated.next()];
  while (one.done !== true || other.done !== true) {
    const isOnce =
      other.done === true || (one.done !== true && one.value.usedAt <= other.value.usedAt + repeatedMs);
    const next = isOnce ? one : other;
    if (next.done !== true) yield next.value;
    if (isOnce) one = await once.next();
    else other = await repeated.next();
  }
}
