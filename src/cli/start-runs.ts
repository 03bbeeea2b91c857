import { systemClock } from '../base/clock.ts';
import { ConfigError } from '../config/config-error.ts';
import { type Flags, type LoadedConfig, readConfig } from '../config/load.ts';
import { LongStart } from './long-start.ts';
import type { ProgramParts } from './program-parts.ts';
import { fileOf } from './run.ts';

/** Starts the server and settles when it has ended. */
export async function serve(flags: Flags, parts: ProgramParts): Promise<number> {
  const { stderr, clock = systemClock } = parts;
  parts.hearSignals();
  using start = new LongStart(clock, (text) => stderr.write(`${text}\n`));
  let loaded: LoadedConfig;
  try {
    loaded = await checked(flags, parts, { tryPorts: false, start });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const [first, ...rest] = error.problems;
    const problems = rest.length === 0 ? ` ${first}` : `\n${error.message}`;
    stderr.write(`error getting configuration:${problems}\n`);
    return 1;
  }
  try {
    return (await parts.serve(loaded, start)) ? 0 : 1;
  } catch (error) {
    stderr.write(`error starting the server: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

/** Says whether a server would start. */
export async function checkConfig(flags: Flags, parts: ProgramParts): Promise<number> {
  try {
    const { file, warnings } = await checked(flags, parts, { tryPorts: true });
    for (const warning of warnings) parts.stdout.write(`warning: ${warning}\n`);
    parts.stdout.write(`${file ?? 'no configuration file'}: OK\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    parts.stderr.write(`${error.message}\n`);
    return 1;
  }
}

interface Checking {
  readonly tryPorts: boolean;
  readonly start?: LongStart;
}

/** With the warnings of what it names. Throws ConfigError for all that keeps a server from starting, in the configuration and beyond it. */
async function checked(
  flags: Flags,
  parts: ProgramParts,
  { tryPorts, start }: Checking,
): Promise<LoadedConfig> {
  const file = fileOf(flags);
  if (start !== undefined)
    start.waitsFor = `the configuration${file === undefined ? '' : ` ${file}`}, or a secret’s file that it names`;
  const { problems: mistakes, rest } = await readConfig({ file, flags, env: parts.env });
  if (rest === undefined) throw new ConfigError(mistakes);
  if (start !== undefined) {
    start.waitsFor = 'the files and directories that the configuration names';
    start.say = (text) => parts.announce(rest.config, text);
  }
  const { problems, warnings } = await parts.preflight(rest, tryPorts);
  if (mistakes.length + problems.length > 0) throw new ConfigError([...mistakes, ...problems]);
  return { ...rest, warnings: [...rest.warnings, ...warnings] };
}
