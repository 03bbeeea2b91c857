import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { DiscardedFiles } from '../storage/discarded-content.ts';
import type { LeavingContent } from '../storage/image-graph.ts';
import { settleDiscarded } from '../storage/operation.ts';
import { allPages } from './all-pages.ts';
import { sweepAnnounced } from './announced-sweep.ts';
import { type RemovalParts, RemovingHands } from './removing-hands.ts';

/** So many files are looked at together. */
const filesAtOnce = 10_000;
const settledAtOnce = 24;
/** What the index has committed is on the disk by then. Milliseconds. */
const durableMs = 1500;

export interface SweepParts extends RemovalParts {
  readonly discarded: DiscardedFiles;
}

/** Removes what was left, and its files. */
export async function tidyUp(parts: SweepParts, signal?: AbortSignal): Promise<void> {
  await sweepLeaving(parts, signal);
  await emptyTrash(parts, signal);
}

/** Removes what was left for a while when its image went, or by a process that ended meanwhile, or that brought what nothing names. */
export async function sweepLeaving(parts: SweepParts, signal?: AbortSignal): Promise<void> {
  if ((await parts.isBeingRestored?.()) === true) return;
  const hands = new RemovingHands(parts);
  const all = allPages<LeavingContent, LeavingContent>(
    async (page) => await parts.graph.leaving(page),
    (content) => content,
  );
  let [owner, digests]: [RepositoryName | undefined, Digest[]] = [undefined, []];
  const discard = async (): Promise<void> => {
    if (owner !== undefined && digests.length > 0) await hands.discard(owner, digests);
    digests = [];
  };
  for await (const { repository, digest } of all) {
    signal?.throwIfAborted();
    if (repository !== owner || digests.length === settledAtOnce) await discard();
    owner = repository;
    digests.push(digest);
  }
  await discard();
  await sweepAnnounced(parts, signal);
}

/**
 * Removes the files of what was discarded, when that is known to be durable. Those of a process that ended between the move and the word of it are
 * put back first.
 */
export async function emptyTrash(parts: SweepParts, signal?: AbortSignal): Promise<void> {
  const { clock, discarded, metadata } = parts;
  for (;;) {
    const files = await discarded.list(filesAtOnce);
    if (files.length === 0) return;
    for (let at = 0; at < files.length; at += settledAtOnce) {
      signal?.throwIfAborted();
      const digests = files.slice(at, at + settledAtOnce).map(({ digest }) => digest);
      await metadata.change([settleDiscarded(digests)]);
    }
    await clock.sleep(durableMs, signal);
    let removed = 0;
    for (const file of files) {
      // A large one takes a while.
      signal?.throwIfAborted();
      if (await discarded.remove(file)) removed += 1;
    }
    if (files.length < filesAtOnce || removed === 0) return;
  }
}
