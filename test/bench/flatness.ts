import { median } from './ratios.ts';
import { trendOf } from './trend.ts';

/** What a server looked like for a minute. */
export interface Minute {
  /** The most that it held. MiB. */
  readonly residentMiB: number;
  /**
   * What it had open, in the median of its seconds: connections of clients and to upstream; blobs that are read or written (or wait for the
   * disk, up to 288), and what it has always.
   */
  readonly sockets: number;
  readonly files: number;
  /** Processor time that it used, of a core. Percent. */
  readonly busy: number;
  /** Of its event loop, by its own measure (`nodejs_eventloop_lag_*`); about 11 where nothing holds it up. Milliseconds. */
  readonly delayP99: number;
  readonly delayMost: number;
}

/** How much more the second half may show than the first: a part of it, and so many. And by how much what rises steadily may rise in an hour. */
interface Allowance {
  readonly what: string;
  readonly unit: string;
  readonly part: number;
  readonly more: number;
  readonly hourly: number;
}

const allowances = {
  residentMiB: { what: 'memory', unit: 'MiB', part: 0.05, more: 5, hourly: 20 },
  sockets: { what: 'open connections', unit: '', part: 0.05, more: 20, hourly: 60 },
  files: { what: 'open files', unit: '', part: 0.05, more: 50, hourly: 60 },
  busy: { what: 'processor time', unit: '%', part: 0.2, more: 5, hourly: 20 },
  delayP99: { what: 'the delay of the event loop', unit: 'ms', part: 0.5, more: 5, hourly: 20 },
} as const satisfies Partial<Readonly<Record<keyof Minute, Allowance>>>;

type Watched = keyof typeof allowances;

/** So many minutes show what a steady rise is. */
const leastForTrend = 8;

/** The first minutes fill what is filled once. */
function warmUp(minutes: number): number {
  return Math.min(5, Math.max(1, Math.floor(minutes / 4)));
}

/**
 * What grew behind the warm-up, a sentence each: when the second half of the time is compared with the first, or steadily, be it slowly. Throws for less than
 * three minutes.
 */
export function whatGrew(minutes: readonly Minute[]): string[] {
  const steady = minutes.slice(warmUp(minutes.length));
  if (steady.length < 2) throw new Error('a soak takes three minutes at least');
  return (Object.keys(allowances) as Watched[]).flatMap((key) => {
    const values = steady.map((minute) => minute[key]);
    return growthOfHalf(values, allowances[key]) ?? growthOfHour(values, allowances[key]) ?? [];
  });
}

function growthOfHalf(values: readonly number[], { what, unit, part, more }: Allowance): string | undefined {
  const middle = Math.floor(values.length / 2);
  const [before, after] = [median(values.slice(0, middle)), median(values.slice(middle))];
  if (after <= before * (1 + part) + more) return undefined;
  return `${what} grew from ${before.toFixed(0)} to ${after.toFixed(0)} ${unit}`.trim();
}

function growthOfHour(values: readonly number[], { what, unit, hourly }: Allowance): string | undefined {
  if (values.length < leastForTrend) return undefined;
  const { slope, isRising } = trendOf(values);
  if (!isRising || slope * 60 <= hourly) return undefined;
  return `${what} grows by ${(slope * 60).toFixed(0)}${unit === '' ? '' : ` ${unit}`} an hour`;
}
