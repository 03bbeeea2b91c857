import type { RunningLoad } from '../load/load-progress.ts';
import { megabytes } from './load-report.ts';
import { shownText } from './shown-text.ts';

/** How far a load is. */
export interface LoadState {
  /** Images of lists, and tars. */
  readonly total: number;
  readonly done: number;
  /** Of those that are done. */
  readonly failed: number;
  /** Bytes. */
  readonly fetched: number;
  readonly seconds: number;
  readonly running: readonly RunningLoad[];
}

/** What runs is shown in so many lines at most. */
const maxRunning = 8;

/** How far it is in a line, for a log. */
export function progressLine({ total, done, failed, fetched, seconds }: LoadState): string {
  const failures = failed === 0 ? '' : `, ${failed} failed`;
  return `${done} of ${total} done${failures}, ${megabytes(fetched)} fetched, ${Math.floor(seconds)} s`;
}

/** The same with a line for each that runs, of at most so many columns and rows. */
export function frameOf(state: LoadState, columns: number, rows: number): string {
  const room = Math.max(0, Math.min(maxRunning, rows - 3));
  const shown = state.running.slice(0, room).map(runningLine);
  const more = state.running.length - shown.length;
  const lines = [progressLine(state), ...shown, ...(more > 0 ? [`  and ${more} more`] : [])];
  return lines.map((line) => line.slice(0, Math.max(1, columns - 1))).join('\n');
}

/** The name is somebody's: it does not steer the terminal. */
function runningLine({ name, tally }: RunningLoad): string {
  const { fetched, present, expected } = tally;
  const bytes = fetched + present;
  const of =
    expected > bytes ? `${(bytes / 1_000_000).toFixed(1)} of ${megabytes(expected)}` : megabytes(bytes);
  return `  ${shownText(name)}  ${of}`;
}
