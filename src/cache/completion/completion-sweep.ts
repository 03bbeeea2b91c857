import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import type { WantedBlob } from '../../storage/records.ts';
import type { Completer } from './completer.ts';

/** The first clients of a process have had their answers by then. Milliseconds. */
const firstMs = 1000;
/** Between two passes. Milliseconds. */
const everyMs = 10 * 60_000;
/**
 * So many blobs are handed in at once, and the next some time later: of what finds no room the newest would stand in the way of the others
 * in each pass. Milliseconds.
 */
const pageSize = 500;
const pageMs = 10_000;

export interface SweepSettings {
  readonly metadata: Pick<MetadataStore, 'listWantedBlobs'>;
  readonly completer: Pick<Completer, 'add'>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Hands in what is missing by the index, now and then until the signal is aborted: what an earlier process left, what there was no room
 * for, what was given up. The newest first; what there is no room for now is left to the next pass.
 */
export async function sweepIncomplete(settings: SweepSettings, signal: AbortSignal): Promise<void> {
  const { clock } = settings;
  let after: WantedBlob | undefined;
  await clock.sleep(firstMs, signal).catch(() => undefined);
  while (!signal.aborted) {
    after = await handIn(settings, after);
    await clock.sleep(after === undefined ? everyMs : pageMs, signal).catch(() => undefined);
  }
}

/** The last of a page that has another behind it. */
async function handIn(
  { metadata, completer, log }: SweepSettings,
  after: WantedBlob | undefined,
): Promise<WantedBlob | undefined> {
  try {
    const wanted = await metadata.listWantedBlobs({ after, limit: pageSize });
    for (const { repository, digest, size } of wanted)
      completer.add({ kind: 'blob', repository, reference: digest, size });
    return wanted[pageSize - 1];
  } catch (error) {
    log.error({ err: error }, 'what is missing cannot be looked up');
    return undefined;
  }
}
