import type { RegistryHost } from '../oci/reference.ts';
import type { AllTotals, Totals } from '../storage/records.ts';

/** What the cache may hold, and what it leaves. Bytes; 0 is no limit. */
export interface Limits {
  readonly maxSize: number;
  readonly registries: ReadonlyMap<RegistryHost, number>;
  readonly minFree: number | { readonly percent: number };
}

/** The cache's file system. Bytes. */
export interface FileSystemSpace {
  readonly size: number;
  readonly free: number;
}

/** What the index counts as stored, and what the file system has. */
export interface Look {
  readonly totals: AllTotals;
  readonly space: FileSystemSpace;
}

/** What is on its way, and not counted as stored yet. Bytes. */
export interface Reserved {
  /** Of a registry; undefined: of all. */
  of(host: RegistryHost | undefined): number;
  /** What the file system does not have yet. */
  readonly toCome: number;
}

/** Why an image has to give way. */
export type Reason = 'maxSize' | 'registry' | 'minFree';

/** How the cache stands to one of its limits. Bytes. */
export interface Level {
  readonly reason: Reason;
  /** The registry whose limit it is; undefined: that of all. */
  readonly host: RegistryHost | undefined;
  /** With what is on its way. */
  readonly taken: number;
  readonly most: number;
  /** So far it is evicted once it has to be, lest each blob that comes evicts another. */
  readonly low: number;
}

const down = 0.95;

export function isLimited({ maxSize, registries, minFree }: Limits): boolean {
  return maxSize > 0 || registries.size > 0 || leavesFree(minFree);
}

export function leavesFree(minFree: Limits['minFree']): boolean {
  return leastFree(minFree, 1) > 0;
}

function leastFree(minFree: Limits['minFree'], size: number): number {
  return typeof minFree === 'number' ? minFree : (size * minFree.percent) / 100;
}

/** One for each limit that there is. */
export function levels(limits: Limits, { totals, space }: Look, reserved: Reserved): readonly Level[] {
  const found: Level[] = [];
  for (const [host, most] of limits.registries) {
    const taken = bytesOf(totals.registries.get(host)) + reserved.of(host);
    found.push({ reason: 'registry', host, taken, most, low: most * down });
  }
  const { maxSize, minFree } = limits;
  const all = { host: undefined } as const;
  if (maxSize > 0) {
    const taken = bytesOf(totals) + reserved.of(undefined);
    found.push({ ...all, reason: 'maxSize', taken, most: maxSize, low: maxSize * down });
  }
  if (leavesFree(minFree)) {
    const least = leastFree(minFree, space.size);
    const taken = space.size - space.free + reserved.toCome;
    found.push({
      ...all,
      reason: 'minFree',
      taken,
      most: space.size - least,
      low: space.size - least / down,
    });
  }
  return found;
}

export function isSameLimit(one: Level, other: Level): boolean {
  return one.reason === other.reason && one.host === other.host;
}

export function bytesOf(totals: Totals | undefined): number {
  return totals === undefined ? 0 : totals.manifestBytes + totals.blobBytes;
}
