import type { Clock } from '../base/clock.ts';
import { Turns } from '../base/turns.ts';
import { type Digest, isDigestText, type RepositoryName } from '../oci/reference.ts';
import type { ImageGraph, ImageNode, Use } from '../storage/image-graph.ts';
import type { Candidate } from '../storage/inventory.ts';
import { allPages } from './all-pages.ts';

/** Tags that cosign makes of a digest (`.sig`, `.att`, `.sbom`), and those of the specification's fall-back for referrers. */
const subjectTag = /^(sha256|sha512)-([0-9a-f]+)(?:\.[a-z]+)?$/;

interface Wanted {
  readonly use?: Use;
  /** Of others nothing is looked at. */
  readonly isMeant?: (repository: RepositoryName) => boolean;
}

/**
 * The roots as they are when they come to be looked at, those that were used longest ago first. A signature is none while what it signs is here, by
 * whichever way it refers to that.
 */
export async function* roots(
  graph: ImageGraph,
  clock: Clock,
  { use, isMeant = () => true }: Wanted = {},
): AsyncGenerator<ImageNode> {
  const turns = new Turns(clock);
  const candidates = allPages<Candidate, Candidate>(
    async (page) => await graph.roots({ ...page, use }),
    (candidate) => candidate,
  );
  for await (const { repository, digest } of candidates) {
    if (turns.isOver) await turns.pass();
    if (!isMeant(repository)) continue;
    const node = await graph.node(repository, digest);
    if (node !== undefined && !(await isOfSubject(graph, node))) yield node;
  }
}

async function isOfSubject(graph: ImageGraph, { repository, tags }: ImageNode): Promise<boolean> {
  const subjects = tags.map(({ tag }) => subjectOf(tag));
  if (subjects.length === 0) return false;
  for (const subject of subjects)
    if (subject === undefined || (await graph.node(repository, subject)) === undefined) return false;
  return true;
}

function subjectOf(tag: string): Digest | undefined {
  const [, algorithm, hex] = subjectTag.exec(tag) ?? [];
  const text = `${algorithm}:${hex}`;
  return isDigestText(text) ? text : undefined;
}
