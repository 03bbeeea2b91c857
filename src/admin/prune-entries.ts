import type { Clock } from '../base/clock.ts';
import { hexOf } from '../oci/digest.ts';
import { imageText } from '../oci/reference.ts';
import type { Pruner, Removed, Selection } from '../retention/prune.ts';
import { BadParameter } from './parameters.ts';
import type { Entry } from './send-entries.ts';

/** What is asked for, in the original's words. Ages in milliseconds. */
export interface PruneOrder {
  readonly type: 'created' | 'accessed' | 'pattern';
  readonly dur: number | undefined;
  readonly expr: ((name: string) => boolean) | undefined;
  readonly count: number;
}

/** Throws BadParameter where the type lacks what it goes by. */
export function selectionOf({ type, dur, expr, count }: PruneOrder, now: number): Selection {
  const limit = Number.isFinite(count) ? { limit: count } : {};
  if (type === 'pattern') {
    if (expr === undefined) throw new BadParameter('expr is missing, which the type pattern goes by');
    return { ...limit, matches: expr };
  }
  if (dur === undefined)
    throw new BadParameter(`dur is missing, which the type ${type} goes by: a duration such as 30d or 12h`);
  const before = now - dur;
  return {
    ...limit,
    ...(expr && { matches: expr }),
    ...(type === 'created' ? { createdBefore: before } : { notUsedSince: before }),
  };
}

/** What is removed, as it goes, in the original's lines; of a dry run what would be. */
export async function* pruneEntries(
  pruner: Pruner,
  selection: Selection,
  {
    dryRun,
    signal,
    clock,
  }: { readonly dryRun: boolean; readonly signal: AbortSignal; readonly clock: Pick<Clock, 'now'> },
): AsyncGenerator<readonly Entry[]> {
  const line = (message: string): string => logLine(message, clock.now());
  for await (const removed of pruner.prune(selection, { dryRun, signal })) {
    const messages = namesOf(removed).flatMap((name) =>
      dryRun
        ? [`doPrune - dry run specified, skipping prune of manifest "${name}"`]
        : [`pruning manifest "${name}"`, `removed manifest: ${name}`],
    );
    const blobs = dryRun ? [] : removed.blobs.map((digest) => `removed blob: ${hexOf(digest)}`);
    yield [{ text: [...messages, ...blobs].map(line).join(''), object: objectOf(removed) }];
  }
}

/** How many there are, for the line that the original begins with. */
export async function countOf(pruner: Pruner, selection: Selection, signal: AbortSignal): Promise<number> {
  let count = 0;
  for await (const removed of pruner.prune(selection, { dryRun: true, signal }))
    count += namesOf(removed).length;
  return count;
}

export function beginLine(count: number, now: number): string {
  return logLine(`begin prune - count of manifests to prune: ${count}`, now);
}

/** As the original's log writes it (logrus). */
function logLine(message: string, now: number): string {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  return `time="${time}" level=info msg=${JSON.stringify(message)}\n`;
}

function namesOf({ repository, digest, tags }: Removed): string[] {
  const references = tags.length === 0 ? [digest] : tags;
  return references.map((reference) => imageText({ repository, reference }));
}

function objectOf(removed: Removed): object {
  const { repository, digest, tags, blobs, freed } = removed;
  return { references: namesOf(removed), repository, digest, tags, blobs, freed };
}
