import { rounded } from '../text-table.ts';
import { inBytes } from './bytes.ts';
import type { Dimension } from './dimension.ts';
import { dimensions } from './dimensions.ts';
import { costSeries, type Point } from './point.ts';

/** What was measured of a dimension, once. */
export interface Measured {
  readonly date: string;
  readonly machine: string;
  readonly points: readonly Point[];
}

/** By the name of the dimension. */
export type AllMeasured = Readonly<Record<string, Measured>>;

/** The page: for each dimension that was measured what it is, the plot, the table. */
export function scalePage(all: AllMeasured, plots: string): string {
  const parts = Object.entries(dimensions).flatMap(([name, dimension]) => {
    const measured = all[name];
    return measured === undefined ? [] : [part(name, dimension, measured, plots)];
  });
  return `# Cost as work grows

Written by \`npm run bench -- --scale\`. One server, its upstream and the clients share a machine, so that what counts is how a line runs, and not how high.
${parts.join('')}`;
}

function part(
  name: string,
  dimension: Dimension,
  { date, machine, points }: Measured,
  plots: string,
): string {
  return `
## ${dimension.title}

${dimension.about} (${machine}, ${date.slice(0, 10)})

![${dimension.title}: time, processor time, memory, descriptors and the delay of the event loop](${plots}/${name}.svg)

${tableOf(dimension, points)}
`;
}

function tableOf({ axis, isBytes, series }: Dimension, points: readonly Point[]): string {
  const columns = [...series, ...costSeries];
  const head = [axis, ...columns.map(({ name, unit }) => (unit === '' ? name : `${name} (${unit})`))];
  const rows = points.map(({ at, values }) => [
    isBytes ? inBytes(at) : at.toLocaleString('en'),
    ...columns.map(({ key }) => rounded(values[key] ?? Number.NaN)),
  ]);
  return [head, head.map(() => '--:'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
