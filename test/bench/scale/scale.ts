import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Upstream } from '../bench-upstream.ts';
import { machineInWords } from '../recorded-run.ts';
import { rounded } from '../text-table.ts';
import type { Dimension } from './dimension.ts';
import { dimensions } from './dimensions.ts';
import type { Point } from './point.ts';
import { type AllMeasured, type Measured, scalePage } from './scale-page.ts';
import { plotOf } from './scale-plot.ts';

const docs = join(import.meta.dirname, '../../../docs/explanation');
/** Beside the page: its plots, and the figures, so that a part can be measured anew. */
const folder = 'scale';
const figuresFile = join(docs, folder, 'figures.json');

/**
 * `npm run bench -- --scale`: what work costs as it grows, one dimension after the other. Each point is written into the page as soon as it is
 * measured, beside what was measured of the other dimensions before: a run that was cut goes on by naming those that are left. Exit 1: one did not come to its
 * end.
 */
export async function measureScale(names: readonly string[]): Promise<void> {
  await mkdir(join(docs, folder), { recursive: true });
  for (const name of names)
    await measure(name).catch((error: unknown) => {
      console.error(`${name} FAILED: ${String(error)}`);
      process.exitCode = 1;
    });
}

async function measure(name: string): Promise<void> {
  const dimension = dimensions[name];
  if (dimension === undefined) throw new Error('there is no such dimension');
  const begunAt = performance.now();
  const points: Point[] = [];
  await using upstream = await Upstream.start();
  for await (const point of dimension.measure(upstream)) {
    points.push(point);
    await write(name, dimension, { date: new Date().toISOString(), machine: machineInWords(), points });
    const seconds = ((performance.now() - begunAt) / 1000).toFixed(0);
    console.error(`${seconds} s: ${point.at} ${dimension.axis}: ${inWords(point)}`);
  }
}

function inWords({ values }: Point): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} ${rounded(value)}`)
    .join(', ');
}

async function write(name: string, dimension: Dimension, measured: Measured): Promise<void> {
  const all: AllMeasured = { ...(await measuredBefore()), [name]: measured };
  await writeFile(figuresFile, `${JSON.stringify(all, undefined, 1)}\n`);
  await writeFile(join(docs, folder, `${name}.svg`), plotOf(dimension, measured.points));
  await writeFile(join(docs, `${folder}.md`), scalePage(all, folder));
}

async function measuredBefore(): Promise<AllMeasured> {
  try {
    return JSON.parse(await readFile(figuresFile, 'utf8')) as AllMeasured;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
