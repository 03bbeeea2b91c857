import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { assertSecretless } from '#test/fakes/secrets.ts';
import { find } from '../../setup/components.ts';
import { until } from './until.ts';

/** These end what hangs, and no more: a machine with other work may be slow. */
const startLimitMs = 60_000;
const stopLimitMs = 60_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that runs beside the test; disposing of it ends it, by force if need be. */
export class Program implements AsyncDisposable {
  /** What it printed so far, both outputs. */
  readonly lines: string[] = [];
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;

  constructor(path: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const [file, ...rest] = endingWithUs([path, ...args]);
    const child = spawn(file, rest, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const input of [child.stdout, child.stderr])
      createInterface({ input }).on('line', (line) => {
        this.lines.push(line);
        assertSecretless(line, 'what a program printed');
      });
    this.exited = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    this.exited.catch((error: unknown) => this.lines.push(String(error)));
    this.#child = child;
  }

  /** The first line that matches. Throws with all output when the program ends before, or the limit (milliseconds) does. */
  async line(pattern: RegExp, limitMs = startLimitMs): Promise<RegExpExecArray> {
    const matching = async () => {
      for (const line of this.lines) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      if (this.hasEnded) throw new Error(`${this.#child.spawnfile} ended`);
      return undefined;
    };
    try {
      return await until(`a line matches ${pattern}`, matching, limitMs);
    } catch (error) {
      throw new Error(`${String(error)}; it printed:\n${this.lines.join('\n')}`);
    }
  }

  /** Undefined: it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.#child.kill(signal);
    const force = setTimeout(() => this.#child.kill('SIGKILL'), stopLimitMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(force);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasEnded) await this.stop();
  }

  get hasEnded(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

/** The kernel ends the program when the test process is killed and cannot do it (prctl, PR_SET_PDEATHSIG). */
function endingWithUs(commandLine: [string, ...string[]]): [string, ...string[]] {
  const setpriv = find('setpriv');
  return setpriv === undefined ? commandLine : [setpriv, '--pdeathsig', 'SIGKILL', '--', ...commandLine];
}
