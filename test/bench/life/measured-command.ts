import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { builtProgram } from '../built-package.ts';
import { ProcessTree } from '../process-tree.ts';

const lookMs = 25;
/** Of what it says when it fails. Characters. */
const shownText = 2000;

/** What a command has cost. */
export interface Ran {
  readonly seconds: number;
  /** Processor time, as it was shortly before it ended. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  /** That it printed. */
  readonly lines: number;
}

/** Runs the built program to its end; what it prints is counted and thrown away. Throws with what it said where it fails. */
export async function measuredCommand(args: readonly string[]): Promise<Ran> {
  const begunAt = performance.now();
  const child = spawn(process.execPath, [builtProgram, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'close');
  let [lines, said] = [0, ''];
  child.stdout.on('data', (chunk: Buffer) => {
    lines += linesIn(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-shownText);
  });
  const cost = await watch(new ProcessTree(child.pid ?? 0), ended);
  const [code] = (await ended) as [number | null];
  process.off('exit', kill);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${said}`);
  return { seconds: (performance.now() - begunAt) / 1000, lines, ...cost };
}

async function watch(
  tree: ProcessTree,
  ended: Promise<unknown>,
): Promise<Pick<Ran, 'cpuSeconds' | 'peakMiB'>> {
  let [cpuSeconds, peakMiB, isOver] = [0, 0, false];
  const over = ended.then(() => {
    isOver = true;
  });
  while (!isOver) {
    const { user, system } = tree.usage;
    cpuSeconds = Math.max(cpuSeconds, user + system);
    peakMiB = Math.max(peakMiB, tree.peakMiB);
    await Promise.race([over, sleep(lookMs)]);
  }
  return { cpuSeconds, peakMiB };
}

function linesIn(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) count += 1;
  return count;
}
