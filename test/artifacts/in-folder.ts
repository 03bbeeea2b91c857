import { command } from '../e2e/support/command.ts';
import { programOf } from '../setup/needs.ts';

/** Runs a program in a folder that is its home too: away from the user's own settings and credentials. Returns what it printed. */
export function inFolder(
  name: string,
  folder: string,
  env: Readonly<Record<string, string>> = {},
): (...args: readonly string[]) => Promise<string> {
  const own = { HOME: folder, DOCKER_CONFIG: folder, ...env };
  return async (...args) => await command('env', ['-C', folder, programOf(name), ...args], own);
}
