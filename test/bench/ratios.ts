/** The median of some numbers, and how far they lie apart. NaN of nothing. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** What was not measured is left out. */
export function spreadOf(values: readonly (number | undefined)[]): Spread {
  const measured = values.filter((value): value is number => value !== undefined && !Number.isNaN(value));
  if (measured.length === 0) return { median: Number.NaN, least: Number.NaN, most: Number.NaN };
  return { median: median(measured), least: Math.min(...measured), most: Math.max(...measured) };
}

/** Round by round the ratio of one to another who was measured beside it: a machine that is slow for a while is slow for both. */
export function pairwise(
  ones: readonly (number | undefined)[],
  others: readonly (number | undefined)[],
): (number | undefined)[] {
  return ones.map((one, round) => {
    const other = others[round];
    return one === undefined || other === undefined ? undefined : one / other;
  });
}

/** Below which such a part of them lies. NaN of nothing. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** NaN of nothing. */
export function median(values: readonly number[] = []): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
