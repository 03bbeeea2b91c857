import type { Clock } from '../base/clock.ts';
import { Turns } from '../base/turns.ts';
import { type Digest, isDigestText, isHosted, type RepositoryName } from '../oci/reference.ts';
import type { Candidate, ImageGraph, ImageNode, Use } from '../storage/image-graph.ts';
import { allPages } from './all-pages.ts';
import { namedBy } from './named-by.ts';
import { referrersOf } from './referrers-of.ts';

/** Tags that cosign makes of a digest (`.sig`, `.att`, `.sbom`), and those of the specification's fall-back for referrers. */
const subjectTag = /^(sha256|sha512)-([0-9a-f]+)(?:\.[a-z]+)?$/;

interface Wanted {
  readonly use?: Use;
  /** Of others nothing is looked at. */
  readonly isMeant?: (repository: RepositoryName) => boolean;
}
/** So many manifests below one are looked at, and a page more. */
const mostLed = 1000;

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
    // What lives here nobody could fetch again: whoever pushed it removes it.
    if (isHosted(repository) || !isMeant(repository)) continue;
    const node = await graph.node(repository, digest);
    if (node !== undefined && !(await isOfSubject(graph, node))) yield node;
  }
}

async function isOfSubject(graph: ImageGraph, node: ImageNode): Promise<boolean> {
  const { repository, tags } = node;
  const subjects = new Set<Digest>();
  for (const { tag } of tags) {
    const subject = subjectOf(tag);
    if (subject === undefined || (await graph.node(repository, subject)) === undefined) return false;
    subjects.add(subject);
  }
  return subjects.size > 0 && !(await leadsTo(graph, node, subjects));
}

/** An image may be tagged by its own digest, or two by each other's: whoever waited for the other to go would be here for ever. What leads to very much is taken to. */
async function leadsTo(
  graph: ImageGraph,
  { repository, digest: root }: ImageNode,
  subjects: ReadonlySet<Digest>,
): Promise<boolean> {
  const led = new Set([root]);
  // It grows meanwhile.
  for (const digest of led) {
    if (subjects.has(digest) || led.size > mostLed) return true;
    for await (const { digest: child, isManifest } of namedBy(graph, repository, digest))
      if (isManifest && led.size <= mostLed) led.add(child);
    for await (const referrer of referrersOf(graph, repository, digest)) led.add(referrer.digest);
  }
  return false;
}

function subjectOf(tag: string): Digest | undefined {
  const [, algorithm, hex] = subjectTag.exec(tag) ?? [];
  const text = `${algorithm}:${hex}`;
  return isDigestText(text) ? text : undefined;
}
