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

/** Why an image has to give way. */
export type Reason = 'maxSize' | 'registry' | 'minFree';

/** What is to be evicted, and from which registry; undefined: from any. */
export interface Excess {
  readonly reason: Reason;
  readonly host: RegistryHost | undefined;
  /** Bytes. */
  readonly bytes: number;
}

/** So far it is evicted once it has to be, lest each blob that comes evicts another. */
const down = 0.95;

export function isLimited({ maxSize, registries, minFree }: Limits): boolean {
  return maxSize > 0 || registries.size > 0 || minFreeOf(minFree, 1) > 0;
}

function minFreeOf(minFree: Limits['minFree'], size: number): number {
  return typeof minFree === 'number' ? minFree : (size * minFree.percent) / 100;
}

/** What is on its way. Bytes. */
export interface Reserved {
  /** All of it: nothing of that is counted as stored yet. */
  readonly bytes: number;
  /** What the file system does not have yet. */
  readonly toCome: number;
}

/** What is over a limit by now. */
export function excesses(
  limits: Limits,
  totals: AllTotals,
  space: FileSystemSpace,
  reserved: Reserved,
): readonly Excess[] {
  const found: Excess[] = [];
  for (const [host, most] of limits.registries) {
    const bytes = over(bytesOf(totals.registries.get(host)), most);
    if (bytes > 0) found.push({ reason: 'registry', host, bytes });
  }
  const whole = limits.maxSize > 0 ? over(bytesOf(totals) + reserved.bytes, limits.maxSize) : 0;
  if (whole > 0) found.push({ reason: 'maxSize', host: undefined, bytes: whole });
  const least = minFreeOf(limits.minFree, space.size);
  const left = space.free - reserved.toCome;
  if (left < least) found.push({ reason: 'minFree', host: undefined, bytes: Math.ceil(least / down - left) });
  return found;
}

export function bytesOf(totals: Totals | undefined): number {
  return totals === undefined ? 0 : totals.manifestBytes + totals.blobBytes;
}

/** 0 unless it is over; else down to where it stays for a while. */
function over(bytes: number, most: number): number {
  return bytes > most ? Math.ceil(bytes - most * down) : 0;
}
