import { find } from '../../setup/components.ts';
import { Program } from './program.ts';

/** Comes with systemd, which no test installs. */
const path = find('systemd-analyze');

/** Test options that skip where there is none. */
export const needsSystemdAnalyze = { skip: path === undefined && 'systemd-analyze is not installed' };

/** `verify` ends well whatever it has to say, and speaks of the machine's other units too. */
export async function analyze(...args: readonly string[]): Promise<{ code: number | null; lines: string[] }> {
  await using program = new Program(path ?? '', args);
  const { code } = await program.exited;
  return { code, lines: program.lines };
}

/** What systemd has against a unit, one line each. */
export async function complaintsOf(unit: string): Promise<string[]> {
  return (await analyze('verify', unit)).lines.filter((line) => line.startsWith(unit));
}
