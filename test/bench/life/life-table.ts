import type { LoopDelay } from '../metrics-page.ts';
import { rounded } from '../text-table.ts';
import type { Done } from './life-tasks.ts';
import type { Waits } from './steady-pulls.ts';

/** Of clients while nothing else is done. */
export interface Calm extends Waits {
  /** What a pull costs the server then. Processor time. */
  readonly cpuSecondsEach: number;
}

/** What a task was like, and for whom. */
export interface Row {
  readonly name: string;
  readonly done: Done;
  /** Of clients before it; undefined: there were none. */
  readonly calm: Calm | undefined;
  /** Of clients while it went on. */
  readonly during: Waits;
  readonly server: LoopDelay & {
    /** Without what pulls cost, where that is known. */
    readonly cpuSeconds: number;
    readonly peakMiB: number;
  };
}

const columns = [
  'what',
  'what came of it',
  'seconds',
  'the command’s processor time (s)',
  'its memory, most (MiB)',
  'the server’s processor time, without pulls (s)',
  'its memory, most (MiB)',
  'delay of its event loop, most (ms)',
  'a pull, p99: before → meanwhile (ms)',
  'the longest: before → meanwhile (ms)',
];

export function headLines(): string[] {
  return [line(columns), line(columns.map(() => '---'))];
}

export function rowLine({ name, done, calm, during, server }: Row): string {
  const { ran, seconds, came } = done;
  const beforeAndMeanwhile = (of: (waits: Waits) => number): string =>
    `${calm === undefined ? '–' : rounded(of(calm))} → ${rounded(of(during))}`;
  return line([
    ...[name, came, rounded(seconds)],
    ...[ran?.cpuSeconds, ran?.peakMiB].map((value) => (value === undefined ? '–' : rounded(value))),
    ...[server.cpuSeconds, server.peakMiB, server.delayMost].map(rounded),
    ...[beforeAndMeanwhile(({ p99Ms }) => p99Ms), beforeAndMeanwhile(({ mostMs }) => mostMs)],
  ]);
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
