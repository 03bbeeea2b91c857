import { frameOf, type LoadState, progressLine } from './load-frame.ts';
import type { Terminal } from './terminal.ts';

/** While nothing ends, it is said so often how far it is; and so often shown on a terminal. Milliseconds. */
const linesMs = 10_000;
const framesMs = 200;

/** Shows how far a load is until it is disposed of, on standard error. */
export interface LoadDisplay extends Disposable {
  /** Something else is about to be written to the terminal, and stays. */
  makeWay(): void;
}

/** A line now and then. */
export function showInLines(state: () => LoadState, stderr: { write(text: string): unknown }): LoadDisplay {
  // The pauses of the server's own code (Clock) do not keep a process alive.
  const timer = setInterval(() => stderr.write(`${progressLine(state())}\n`), linesMs);
  return { makeWay() {}, [Symbol.dispose]: () => clearInterval(timer) };
}

/** Lines that are written over again and again, below what stays. */
export async function showOnTerminal(state: () => LoadState, terminal: Terminal): Promise<LoadDisplay> {
  const { createLogUpdate } = await import('log-update');
  // To hide the cursor it would listen to signals, and end the process at the first one.
  const update = createLogUpdate(terminal, { showCursor: true });
  const show = (): void => update(frameOf(state(), terminal.columns, terminal.rows));
  const timer = setInterval(show, framesMs);
  return {
    makeWay: () => update.clear(),
    [Symbol.dispose]: () => {
      clearInterval(timer);
      update.clear();
    },
  };
}
