import type { Results, Status } from './suite.ts';

/** The same tests against a registry itself, and against it through the server under test. */
export interface Comparison {
  readonly name: string;
  readonly direct: Results;
  readonly through: Results;
}

/** Tests that pass directly more often than through us. */
export function lost({ direct, through }: Comparison): string[] {
  return [...direct].flatMap(([test, { passed }]) => {
    const missing = passed - (through.get(test)?.passed ?? 0);
    return missing > 0 ? [`${test}${missing > 1 ? ` (${missing} times)` : ''}`] : [];
  });
}

/** Tests that pass through us more often than directly: an upstream’s fault that we mend. */
function won({ name, direct, through }: Comparison): string[] {
  return lost({ name, direct: through, through: direct });
}

/** A run against a registry of ours, where nothing may fail. */
export interface Held {
  readonly name: string;
  readonly results: Results;
}

/** Tests that did not pass and were not skipped. */
export function failed({ results }: Held): string[] {
  return [...results].filter(([, { failure, error }]) => failure + error > 0).map(([test]) => test);
}

export function heldTable(held: readonly Held[]): string {
  const rows = held.map(({ name, results }) => [name, tally(results)]);
  return aligned([['', 'pass/fail'], ...rows]);
}

export function table(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((comparison) => [
    comparison.name,
    tally(comparison.direct),
    tally(comparison.through),
    String(won(comparison).length),
    String(lost(comparison).length),
  ]);
  return aligned([['', 'direct: pass/fail', 'through us: pass/fail', 'won', 'lost'], ...rows]);
}

function tally(results: Results): string {
  const sum = (status: Status): number =>
    [...results.values()].reduce((all, counts) => all + counts[status], 0);
  return `${sum('passed')}/${sum('failure') + sum('error')}`;
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
