import type { Candidate } from '../candidates.ts';
import { cacheIn } from '../configurations.ts';
import { loopDelayIn, metricIn, metricsIn } from '../metrics-page.ts';
import { diskUse } from './disk-use.ts';

/** The most that was seen of each. */
export interface Seen {
  /** Of the directory, as `du` counts it. Bytes. */
  disk: number;
  /** By the metrics of the server. Bytes. */
  used: number;
  usedAndReserved: number;
  /** Of its event loop. Milliseconds. */
  delayP99: number;
  delayMost: number;
  /** Looks at which nothing was stored, since nothing might go. */
  notStoring: number;
  looks: number;
  evicted: Readonly<Record<string, number>>;
}

export function nothingSeen(): Seen {
  return {
    ...{ disk: 0, used: 0, usedAndReserved: 0, delayP99: 0, delayMost: 0 },
    ...{ notStoring: 0, looks: 0, evicted: {} },
  };
}

/** Looks once. */
export async function look(server: Candidate, seen: Seen): Promise<void> {
  const [page, disk] = await Promise.all([server.metricsPage(), diskUse(cacheIn(server))]);
  const used = metricIn(page, 'ociregistry_used_bytes');
  const { delayP99, delayMost } = loopDelayIn(page);
  seen.disk = Math.max(seen.disk, disk);
  seen.used = Math.max(seen.used, used);
  seen.usedAndReserved = Math.max(seen.usedAndReserved, used + metricIn(page, 'ociregistry_reserved_bytes'));
  seen.delayP99 = Math.max(seen.delayP99, delayP99);
  seen.delayMost = Math.max(seen.delayMost, delayMost);
  seen.notStoring += metricIn(page, 'ociregistry_storing') === 0 ? 1 : 0;
  seen.looks += 1;
  seen.evicted = metricsIn(page, 'ociregistry_evicted_images_total');
}
