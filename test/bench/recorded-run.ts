import { availableParallelism, cpus } from 'node:os';
import type { FigureKey, Sample } from './figures.ts';
import type { Measurement } from './measurement.ts';

/** Of one contestant, by the number of the round; null: this round has none. */
type Series = (Measurement | null)[];

/** All that was measured. */
export interface Run {
  readonly date: string;
  readonly machine: string;
  readonly tls: boolean;
  readonly figures: Partial<Record<FigureKey, Record<string, Series>>>;
}

export function emptyRun(tls: boolean): Run {
  return { date: new Date().toISOString(), machine: machineInWords(), tls, figures: {} };
}

export function machineInWords(): string {
  return `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}, Node.js ${process.version}`;
}

export function add({ figures: all }: Run, contestant: string, round: number, sample: Sample): void {
  for (const [key, measurement] of Object.entries(sample) as [FigureKey, Measurement][]) {
    const series = all[key]?.[contestant] ?? [];
    while (series.length < round) series.push(null);
    series[round] = measurement;
    all[key] = { ...all[key], [contestant]: series };
  }
}

/** What of a measurement is looked at. */
export type Aspect = 'value' | 'cpu' | 'share';

/** Of a contestant, round by round. */
export function seriesOf(
  run: Run,
  key: FigureKey,
  contestant: string,
  aspect: Aspect = 'value',
): (number | undefined)[] {
  return (run.figures[key]?.[contestant] ?? []).map((measurement) =>
    measurement === null ? undefined : aspectOf(measurement, aspect),
  );
}

function aspectOf(measurement: Measurement, aspect: Aspect): number | undefined {
  if (aspect !== 'cpu') return measurement[aspect];
  const { user, system } = measurement;
  return user === undefined || system === undefined ? undefined : user + system;
}
