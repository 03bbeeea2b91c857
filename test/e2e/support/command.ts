import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** A build prints thousands of lines, and why it failed is among the last. */
const shownLines = 30;

/** Runs a program to its end and returns what it printed. Throws with its stderr, and the last of its stdout, when it fails or takes too long. */
export async function command(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  limitMs = 120_000,
): Promise<string> {
  const running = execute(program, args, {
    env: { ...process.env, ...env },
    timeout: limitMs,
    killSignal: 'SIGKILL',
    maxBuffer: 64 * 1024 * 1024,
  });
  const { stdout } = await running.catch((error: unknown) => {
    throw withItsOutput(error, limitMs);
  });
  return stdout;
}

function withItsOutput(error: unknown, limitMs: number): unknown {
  if (!(error instanceof Error)) return error;
  if (Reflect.get(error, 'killed') === true) error.message += `\nended after ${limitMs} ms`;
  const lines = String(Reflect.get(error, 'stdout') ?? '')
    .trimEnd()
    .split('\n')
    .slice(-shownLines);
  if (lines[0] !== '') error.message += `\nit printed last:\n${lines.join('\n')}`;
  return error;
}
