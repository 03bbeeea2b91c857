import { walk } from '../base/walk.ts';
import { imageText } from '../oci/reference.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { Miss, Totals } from '../storage/records.ts';
import type { Shelf } from './named-images.ts';
import type { Failure, RecentFailures } from './recent-failures.ts';
import type { Entry } from './send-entries.ts';

export const registryHeader = 'REGISTRY MANIFESTS BYTES BLOBS BYTES\n';

/** Registries in the order of their names, behind all of them together. */
export async function* registryEntries(inventory: Inventory): AsyncGenerator<readonly Entry[]> {
  const { registries, ...all } = await inventory.totals();
  const named = [...registries].toSorted(([a], [b]) => (a < b ? -1 : 1));
  yield [['*', all] as const, ...named].map(([registry, totals]) => totalsEntry(registry, totals));
}

function totalsEntry(registry: string, totals: Totals): Entry {
  const { manifests, manifestBytes, blobs, blobBytes } = totals;
  return {
    text: `${registry} ${manifests} ${manifestBytes} ${blobs} ${blobBytes}\n`,
    object: { registry, manifests, manifestBytes, blobs, blobBytes },
  };
}

export async function* failureEntries({ latest }: RecentFailures): AsyncGenerator<readonly Entry[]> {
  yield latest.map(failureEntry);
}

function failureEntry({ at, level, message, cause, about }: Failure): Entry {
  const time = new Date(at).toISOString();
  const subjects = Object.entries(about).map(([name, value]) => ` ${name}=${value}`);
  const line = `${time} ${level} ${message}${subjects.join('')}${cause === undefined ? '' : `: ${cause}`}`;
  return {
    text: `${line.replaceAll(/\p{Cc}+/gu, ' ')}\n`,
    object: { at: time, level, message, cause: cause ?? null, about },
  };
}

export async function* wantedEntries({ inventory, clock }: Shelf): AsyncGenerator<readonly Entry[]> {
  const pages = walk<Miss>(async (after, limit) => await inventory.misses({ after, limit }), clock);
  for await (const page of pages) yield page.map(missEntry);
}

function missEntry(miss: Miss): Entry {
  const { times, firstAt, lastAt } = miss;
  const reference = imageText(miss);
  return {
    text: `${reference}\n`,
    object: {
      ...{ reference, times },
      first: new Date(firstAt).toISOString(),
      last: new Date(lastAt).toISOString(),
    },
  };
}
