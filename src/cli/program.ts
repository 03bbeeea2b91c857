import { Command, CommanderError, Option } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import type { Flags } from '../config/load.ts';
import { RegistryError } from '../oci/error.ts';
import { normalArguments } from './arguments.ts';
import { type CommandDescription, type CommandName, commands, type SignalDescription } from './commands.ts';
import { directoryRuns } from './directory-runs.ts';
import { type Flag, globalFlags, versionFlag } from './flags.ts';
import type { ProgramParts } from './program-parts.ts';
import { type OwnFlags, type Run, readWhole } from './run.ts';
import { checkConfig, serve } from './start-runs.ts';

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
    const hint = failed === root ? flagsPlace(error) : '';
    stderr.write(`Incorrect Usage: ${error.message.replace(/^error: /, '')}${hint}\n\n`);
    stdout.write(failed.helpInformation());
    return 1;
  }
  return exitCode;
}

/** What stands before a command and belongs behind it; empty: that is not it. */
function flagsPlace({ code, message }: CommanderError): string {
  if (code !== 'commander.unknownOption') return '';
  const [, name] = /'--(?:no-)?([^'=]+)/.exec(message) ?? [];
  const of = described.filter(({ flags }) => flags.some((flag) => flag.name === name));
  return of.length === 0 ? '' : `\n(It goes behind the command: ${of.map((each) => each.name).join(', ')})`;
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
    serve,
    'check-config': checkConfig,
    doctor,
    'explain-access': explainAccess,
    ...directoryRuns,
    htpasswd,
    version: async () => {
      tellVersion();
      return 0;
    },
  };
  for (const { name, about, operands, flags, signals } of described) {
    const command = root.command(name).description(about);
    if (operands !== undefined) command.argument(operands.name, operands.about);
    addFlags(command, flags);
    if (signals !== undefined)
      command.addHelpText('after', `\nSignals:\n${signals.map(signalText).join('')}`);
    command.action(async () => exit(await runs[name](command.optsWithGlobals(), parts, command.args)));
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

/** One that is there several times has several values. */
function valuesByName(claims: NonNullable<OwnFlags['claim']>): Readonly<Record<string, readonly string[]>> {
  const byName = Map.groupBy(claims, ([name]) => name);
  return Object.fromEntries([...byName].map(([name, pairs]) => [name, pairs.map(([, value]) => value)]));
}

async function explainAccess(
  { output, repository, action = 'pull', group = [], claim = [], ...rest }: Flags & OwnFlags,
  parts: ProgramParts,
): Promise<number> {
  try {
    if (repository === undefined) throw new ConfigError(['--repository is missing: of what?']);
    const { user, client, subject, issuer, certificate, address, ...flags } = rest;
    const who = { user, client, subject, issuer, groups: group, claims: valuesByName(claim), certificate };
    const asked = { ...who, repository, action, address };
    const loaded = await readWhole(flags, parts);
    return (await parts.explainAccess(loaded, { ...asked, output: output === 'json' ? 'json' : 'text' }))
      ? 0
      : 1;
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof RegistryError)) throw error;
    parts.stderr.write(`${error.message}\n`);
    return 1;
  }
}

async function htpasswd(
  { file = '', algorithm = 'bcrypt' }: OwnFlags,
  { stderr, ...parts }: ProgramParts,
  [user = '']: readonly string[],
): Promise<number> {
  try {
    await parts.htpasswd({ user, file, algorithm });
    return 0;
  } catch (error) {
    stderr.write(`error making an entry: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

async function doctor(
  { output: form, ...flags }: Flags & OwnFlags,
  parts: ProgramParts,
  names: readonly string[],
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
