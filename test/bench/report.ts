import { availableParallelism, cpus } from 'node:os';
import { type Figure, type FigureKey, figures, type Sample } from './figures.ts';

export const peers = ['ociregistry', 'docker-registry'] as const;
export type Peer = (typeof peers)[number];

/** All that was measured: for each figure and server one number per round. */
export interface Run {
  readonly date: string;
  readonly machine: string;
  readonly figures: Partial<Record<FigureKey, Record<Peer, number[]>>>;
}

export function emptyRun(): Run {
  const machine = `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}, Node.js ${process.version}`;
  return { date: new Date().toISOString(), machine, figures: {} };
}

export function add({ figures: all }: Run, peer: Peer, sample: Sample): void {
  for (const [key, value] of Object.entries(sample)) {
    const series = all[key as FigureKey] ?? { ociregistry: [], 'docker-registry': [] };
    series[peer].push(value);
    all[key as FigureKey] = series;
  }
}

/** Medians side by side; with an earlier run also by how much the ratio has moved since. */
export function table(run: Run, earlier?: Run): string {
  const keys = (Object.keys(figures) as FigureKey[]).filter((key) => run.figures[key] !== undefined);
  const head = ['', 'unit', ...peers, 'ratio', 'goal', ...(earlier ? ['before', 'change'] : [])];
  return aligned([head, ...keys.map((key) => row(key, run, earlier))]);
}

function row(key: FigureKey, run: Run, earlier: Run | undefined): string[] {
  const { name, unit, goal = '' }: Figure = figures[key];
  const ratio = ratioOf(run, key);
  const cells = peers.map((peer) => rounded(median(run.figures[key]?.[peer])));
  const shown = [name, unit, ...cells, rounded(ratio), goal];
  if (earlier === undefined) return shown;
  const before = ratioOf(earlier, key);
  const change = Math.round((ratio / before - 1) * 100);
  return [...shown, rounded(before), Number.isFinite(change) ? `${change > 0 ? '+' : ''}${change} %` : ''];
}

function ratioOf(run: Run, key: FigureKey): number {
  return median(run.figures[key]?.ociregistry) / median(run.figures[key]?.['docker-registry']);
}

/** NaN of nothing. */
export function median(values: readonly number[] = []): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

function rounded(value: number): string {
  if (Number.isNaN(value)) return '–';
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const isText = (column: number): boolean => column < 2 || column === 5;
  const pad = (cell: string, column: number): string =>
    isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((cells) => cells.map(pad).join('  ').trimEnd()).join('\n');
}
