import { Command, CommanderError, Option } from 'commander';
import type { Preflight } from '../app/preflight/preflight.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { ConfigError } from '../config/config-error.ts';
import { notYet } from '../config/key.ts';
import { type Flags, type LoadedConfig, loadConfig, readConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { defaultParallel } from '../load/parallel.ts';
import { RegistryError } from '../oci/error.ts';
import type { RegistryHost } from '../oci/reference.ts';
import type { Version } from '../process/version.ts';
import { normalArguments } from './arguments.ts';
import { type CommandDescription, type CommandName, commands, type SignalDescription } from './commands.ts';
import type { DoctorOrder } from './doctor.ts';
import type { ExportCommand } from './export.ts';
import { type Flag, globalFlags, versionFlag } from './flags.ts';
import type { ImportCommand } from './import.ts';
import type { ListOrder } from './list.ts';
import type { LoadOrder } from './load.ts';
import { LongStart } from './long-start.ts';
import type { PinCommand } from './pin.ts';
import type { PruneOrder } from './prune.ts';
import type { RefreshOrder } from './refresh.ts';
import type { VerifyOrder } from './verify.ts';
import type { WantedOrder } from './wanted.ts';

interface Output {
  write(text: string): unknown;
}

/** What the program needs of the process around it. */
export interface ProgramParts {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
  readonly version: Version;
  /** Default: that of the process. */
  readonly clock?: Clock;
  /** A server is about to start, and hears signals from here on. */
  readonly hearSignals: () => void;
  /** True when the server has ended as it was told to, false when it could not start and has said why; rejects where nothing was said yet. */
  readonly serve: (loaded: LoadedConfig, start: LongStart) => Promise<boolean>;
  /** Says what is wrong in the form of the log, which is not open yet. */
  readonly announce: (config: Config, text: string) => unknown;
  /** What a start would stumble over. */
  readonly preflight: (loaded: LoadedConfig, tryPorts: boolean) => Promise<Preflight>;
  /** True: nothing failed. Throws RegistryError for a name that is none, ConfigError for the environment. */
  readonly doctor: (loaded: LoadedConfig, order: DoctorOrder) => Promise<boolean>;
  /** True: all is loaded. Rejects where nothing could be begun. */
  readonly load: (loaded: LoadedConfig, order: LoadOrder) => Promise<boolean>;
  /** True: nothing is wrong. Rejects where nothing could be begun. */
  readonly verify: (loaded: LoadedConfig, order: VerifyOrder) => Promise<boolean>;
  /** True: all that was wanted is exported. Rejects where nothing is. */
  readonly export: (loaded: LoadedConfig, command: ExportCommand) => Promise<boolean>;
  /** True: all is imported. Rejects where nothing could be begun. */
  readonly import: (loaded: LoadedConfig, command: ImportCommand) => Promise<boolean>;
  /** Rejects where it cannot be read. */
  readonly list: (loaded: LoadedConfig, order: ListOrder) => Promise<void>;
  /** Rejects where nothing could be removed. */
  readonly prune: (loaded: LoadedConfig, order: PruneOrder) => Promise<void>;
  /** Likewise. */
  readonly wanted: (loaded: LoadedConfig, order: WantedOrder) => Promise<void>;
  /** True: something matched. Rejects where it cannot be changed. */
  readonly pin: (loaded: LoadedConfig, order: PinCommand) => Promise<boolean>;
  /** True: something matched, and all of it was asked for. Rejects where nothing could be begun. */
  readonly refresh: (loaded: LoadedConfig, order: RefreshOrder) => Promise<boolean>;
}

type Run = (flags: Flags & OwnFlags, operands: readonly string[]) => Promise<number>;

/** Flags that are no keys of the configuration. */
interface OwnFlags {
  readonly output?: 'text' | 'json' | 'table';
  readonly platform?: LoadOrder['platforms'];
  readonly referrers?: boolean;
  readonly parallel?: number;
  readonly repair?: boolean;
  readonly rebuild?: boolean;
  readonly rate?: number;
  readonly header?: boolean;
  readonly pattern?: string | readonly string[];
  readonly shortDigest?: boolean;
  readonly date?: Date;
  readonly notUsedFor?: number;
  readonly keep?: number;
  readonly dryRun?: boolean;
  readonly wide?: boolean;
  readonly chunkSize?: number;
  readonly since?: string;
  readonly usedSince?: number | Date;
  readonly wanted?: string;
  readonly as?: RegistryHost;
}

const described: readonly (CommandDescription & { readonly name: CommandName })[] = commands;
const allFlags: readonly Flag[] = [...globalFlags, ...commands.flatMap(({ flags }) => flags)];

/** Runs one command line, without the program's own name, and returns its exit code. */
export async function runProgram(argv: readonly string[], parts: ProgramParts): Promise<number> {
  const { stdout, stderr } = parts;
  let exitCode = 0;
  let failed = new Command();
  const root = program(parts, (code) => {
    exitCode = code;
  });
  for (const command of [root, ...root.commands]) {
    command.exitOverride((error) => {
      failed = command;
      throw error;
    });
  }
  try {
    await root.parseAsync(normalArguments(argv, allFlags), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // "commander.help" is the help for want of a command, which is no error here.
    if (error.exitCode === 0 || error.code === 'commander.help') return 0;
    stderr.write(`Incorrect Usage: ${error.message.replace(/^error: /, '')}\n\n`);
    stdout.write(failed.helpInformation());
    return 1;
  }
  return exitCode;
}

function program(parts: ProgramParts, exit: (code: number) => void): Command {
  const { stdout, version } = parts;
  const write = (text: string): void => void stdout.write(text);
  const tellVersion = (): void =>
    write(`ociregistry version: ${version.version} build date: ${version.buildDate}\n`);
  const root = new Command('ociregistry')
    .description('A pull-through caching registry for container images')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: write,
      writeErr: write,
      outputError() {},
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    });
  addFlags(root, globalFlags);
  root.option(versionFlag.notation, versionFlag.about).on('option:version', () => {
    tellVersion();
    throw new CommanderError(0, 'commander.version', 'the version');
  });
  const runs: Readonly<Record<CommandName, Run>> = {
    serve: (flags) => serve(flags, parts),
    load: (flags) => load(flags, parts),
    list: (flags) => list(flags, parts),
    prune: (flags) => prune(flags, parts),
    pin: (flags, operands) => pin(true, flags, operands, parts),
    unpin: (flags, operands) => pin(false, flags, operands, parts),
    refresh: (flags, operands) => refresh(flags, operands, parts),
    verify: (flags) => verify(flags, parts),
    wanted: (flags) => wanted(flags, parts),
    export: (flags, operands) => exportImages(flags, operands, parts),
    import: (flags, operands) => importImages(flags, operands, parts),
    'check-config': (flags) => checkConfig(flags, parts),
    doctor: (flags, operands) => doctor(flags, operands, parts),
    version: async () => {
      tellVersion();
      return 0;
    },
  };
  for (const { name, about, operands, flags, signals, isBuilt } of described) {
    const command = root.command(name).description(isBuilt ? about : `${about} (${notYet})`);
    if (operands !== undefined) command.argument(operands.name, operands.about);
    addFlags(command, flags);
    if (signals !== undefined)
      command.addHelpText('after', `\nSignals:\n${signals.map(signalText).join('')}`);
    command.action(async () => exit(await runs[name](command.optsWithGlobals(), command.args)));
  }
  return root;
}

function signalText({ name, about }: SignalDescription): string {
  return `  ${name.padEnd(17)}${about}\n`;
}

/** No default is given to commander: only a flag that is there overrides the file. */
function addFlags(command: Command, flags: readonly Flag[]): void {
  for (const { name, about, takesValue, parse, isRepeated = false } of flags) {
    if (!takesValue) {
      command.addOption(new Option(`--${name}`, about));
      command.addOption(new Option(`--no-${name}`).hideHelp());
      continue;
    }
    const parser = (text: string, before: unknown): unknown => {
      try {
        const value = parse(text);
        return isRepeated && Array.isArray(before) ? before.concat(value) : value;
      } catch (error) {
        return command.error(`--${name}: ${error instanceof Error ? error.message : error}`);
      }
    };
    command.addOption(new Option(`--${name} <value>`, about).argParser(parser));
  }
}

async function serve(flags: Flags, parts: ProgramParts): Promise<number> {
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

async function checkConfig(flags: Flags, parts: ProgramParts): Promise<number> {
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

async function load(
  {
    output,
    platform: platforms = [],
    referrers = false,
    parallel = defaultParallel,
    ...flags
  }: Flags & OwnFlags,
  parts: ProgramParts,
): Promise<number> {
  const order: LoadOrder = { platforms, referrers, parallel, output: output === 'json' ? 'json' : 'text' };
  return await onDirectory('loading images', flags, parts, async (loaded) => await parts.load(loaded, order));
}

async function verify(
  { output, repair: repairs = false, rebuild: rebuilds = false, rate = 0, ...flags }: Flags & OwnFlags,
  parts: ProgramParts,
): Promise<number> {
  const order: VerifyOrder = { repairs, rebuilds, rate, output: output === 'json' ? 'json' : 'text' };
  return await onDirectory('verifying the cache', flags, parts, async (loaded) => {
    return await parts.verify(loaded, order);
  });
}

async function exportImages(
  { output, pattern, platform, chunkSize, since, usedSince, wanted, ...flags }: Flags & OwnFlags,
  [to = '']: readonly string[],
  parts: ProgramParts,
): Promise<number> {
  const { clock = systemClock } = parts;
  const command: ExportCommand = {
    ...{ to, chunkSize, since, wanted, platforms: platform ?? [] },
    pattern: [pattern ?? []].flat().join(','),
    usedSince: typeof usedSince === 'number' ? clock.now() - usedSince : usedSince?.getTime(),
    output: output === 'json' ? 'json' : 'text',
  };
  return await onDirectory(
    'exporting images',
    flags,
    parts,
    async (loaded) => await parts.export(loaded, command),
  );
}

async function importImages(
  { output, platform, as, ...flags }: Flags & OwnFlags,
  paths: readonly string[],
  parts: ProgramParts,
): Promise<number> {
  const command: ImportCommand = {
    ...{ paths, host: as, platforms: platform ?? [] },
    output: output === 'json' ? 'json' : 'text',
  };
  return await onDirectory(
    'importing images',
    flags,
    parts,
    async (loaded) => await parts.import(loaded, command),
  );
}

/** A flag wins over the file, which has the same in a group of its own. */
async function list(
  { output, header, pattern, shortDigest, wide = false, ...flags }: Flags & OwnFlags,
  parts: ProgramParts,
): Promise<number> {
  return await onDirectory('listing the cache', flags, parts, async (loaded) => {
    const { listConfig } = loaded.config;
    await parts.list(loaded, {
      output: output === 'json' ? 'json' : 'table',
      header: header ?? listConfig.header,
      pattern: typeof pattern === 'string' ? pattern : listConfig.expr,
      shortDigest: shortDigest ?? listConfig.shortDigest,
      wide,
    });
    return true;
  });
}

/** What the configuration says of pruning is the server's. */
async function prune(
  { output, pattern, date, notUsedFor, keep, dryRun = false, ...flags }: Flags & OwnFlags,
  parts: ProgramParts,
): Promise<number> {
  const order: PruneOrder = {
    pattern: typeof pattern === 'string' ? pattern : '',
    ...{ date, notUsedFor, keep, dryRun },
    output: output === 'json' ? 'json' : 'text',
  };
  return await onDirectory('pruning the cache', flags, parts, async (loaded) => {
    if (pattern !== undefined) assertSomething(order.pattern);
    await parts.prune(loaded, order);
    return true;
  });
}

async function wanted({ output, ...flags }: Flags & OwnFlags, parts: ProgramParts): Promise<number> {
  return await onDirectory('listing what is wanted', flags, parts, async (loaded) => {
    await parts.wanted(loaded, { output: output === 'json' ? 'json' : 'text' });
    return true;
  });
}

async function pin(
  isPinned: boolean,
  { output, ...flags }: Flags & OwnFlags,
  [pattern = '']: readonly string[],
  parts: ProgramParts,
): Promise<number> {
  const order: PinCommand = { pattern, isPinned, output: output === 'json' ? 'json' : 'text' };
  const doing = isPinned ? 'pinning images' : 'unpinning images';
  return await onDirectory(doing, flags, parts, async (loaded) => {
    assertSomething(pattern);
    return await parts.pin(loaded, order);
  });
}

async function refresh(
  { output, ...flags }: Flags & OwnFlags,
  [pattern = '']: readonly string[],
  parts: ProgramParts,
): Promise<number> {
  const order: RefreshOrder = { pattern, output: output === 'json' ? 'json' : 'text' };
  return await onDirectory('refreshing images', flags, parts, async (loaded) => {
    assertSomething(pattern);
    return await parts.refresh(loaded, order);
  });
}

/** What changes something is not about all of it because a variable of a script was not set. */
function assertSomething(pattern: string): void {
  if (pattern === '') throw new Error('the pattern is empty: to mean every image say .');
}

/** `doing` in words, for what is thrown. */
async function onDirectory(
  doing: string,
  flags: Flags,
  parts: ProgramParts,
  run: (loaded: LoadedConfig) => Promise<boolean>,
): Promise<number> {
  const { stderr } = parts;
  let action = 'getting configuration';
  try {
    const loaded = await readWhole(flags, parts);
    action = doing;
    for (const warning of loaded.warnings) stderr.write(`warning: ${warning}\n`);
    return (await run(loaded)) ? 0 : 1;
  } catch (error) {
    stderr.write(`error ${action}: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

async function doctor(
  { output: form, ...flags }: Flags & OwnFlags,
  names: readonly string[],
  parts: ProgramParts,
): Promise<number> {
  try {
    const loaded = await readWhole(flags, parts);
    for (const warning of loaded.warnings) parts.stderr.write(`warning: ${warning}\n`);
    return (await parts.doctor(loaded, { names, output: form === 'json' ? 'json' : 'text' })) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof RegistryError)) throw error;
    parts.stderr.write(`${error.message}\n`);
    return 1;
  }
}

async function readWhole(flags: Flags, { env }: ProgramParts): Promise<LoadedConfig> {
  return await loadConfig({ file: fileOf(flags), flags, env });
}

function fileOf({ configFile }: Flags): string | undefined {
  return configFile === '' ? undefined : configFile;
}
