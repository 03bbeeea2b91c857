import { median } from './report.ts';

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
  /** Of its event loop, by its own measure (`nodejs_eventloop_lag_*`); about 11 where nothing holds it up. Milliseconds. */
  readonly delayP99: number;
  readonly delayMost: number;
}

/** How much more the second half may show than the first: a part of it, and so many. */
const allowances = {
  residentMiB: { what: 'memory', unit: 'MiB', part: 0.05, more: 5 },
  sockets: { what: 'open connections', unit: '', part: 0.05, more: 20 },
  files: { what: 'open files', unit: '', part: 0.05, more: 50 },
  delayP99: { what: 'the delay of the event loop', unit: 'ms', part: 0.5, more: 5 },
} as const;

/** The first minutes fill what is filled once. */
function warmUp(minutes: number): number {
  return Math.min(5, Math.max(1, Math.floor(minutes / 4)));
}

/** What grew, a sentence each, when the second half of the time behind the warm-up is compared with the first. Throws for less than three minutes. */
export function whatGrew(minutes: readonly Minute[]): string[] {
  const steady = minutes.slice(warmUp(minutes.length));
  if (steady.length < 2) throw new Error('a soak takes three minutes at least');
  const middle = Math.floor(steady.length / 2);
  const halves = [steady.slice(0, middle), steady.slice(middle)] as const;
  return Object.entries(allowances).flatMap(([key, { what, unit, part, more }]) => {
    const [before, after] = halves.map((half) =>
      median(half.map((minute) => minute[key as keyof typeof allowances])),
    );
    if (before === undefined || after === undefined || after <= before * (1 + part) + more) return [];
    return `${what} grew from ${before.toFixed(0)} to ${after.toFixed(0)} ${unit}`.trim();
  });
}
