import type { Spread } from './ratios.ts';

/** Three digits, more where they stand before the point; `–` where nothing was measured. */
export function rounded(value: number): string {
  if (Number.isNaN(value)) return '–';
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)));
}

/** The median, with the least and the most where they differ. */
export function inWords({ median, least, most }: Spread): string {
  return least === most || Number.isNaN(median)
    ? rounded(median)
    : `${rounded(median)} (${rounded(least)}–${rounded(most)})`;
}

/** Columns, the first to the left. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => (cells[column] ?? '').length)),
  );
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((cells) => cells.map(pad).join('   ').trimEnd()).join('\n');
}
