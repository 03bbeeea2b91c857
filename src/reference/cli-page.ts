import { type CommandDescription, commands, type SignalDescription } from '../cli/commands.ts';
import { type Flag, globalFlags, versionFlag } from '../cli/flags.ts';
import { code, generated, page, plain, table } from './markdown.ts';

export function cliPage(): string {
  return page(
    '# Command line',
    generated,
    '`ociregistry [global flags] command [flags]`. From a checkout it is `npx ociregistry …`. A flag wins over the configuration file, the file over the default; flags and keys mean the same ([configuration.md](configuration.md)).',
    'As in the original one dash will do (`-port 8080`), a value follows behind a space or `=`, and a switch takes `=true` or `=false` (`--no-air-gapped` is `--air-gapped=false`). Without a command the help is printed. The exit code is 0, or 1 where something was wrong.',
    '## Global flags',
    'Before the command or after it.',
    flagTable(globalFlags),
    `${code(versionFlag.notation)} prints the version, ${code('-h, --help')} the help: of the command, where there is one.`,
    ...commands.flatMap(section),
  );
}

function section({ name, about, operands, flags, signals }: CommandDescription): string[] {
  const usage = operands === undefined ? [] : [`${code(operands.name)}: ${operands.about}.`];
  return [
    `## ${name}`,
    `${about}.`,
    ...usage,
    ...(flags.length === 0 ? [] : [flagTable(flags)]),
    ...(signals === undefined ? [] : [signalTable(signals)]),
  ];
}

function signalTable(signals: readonly SignalDescription[]): string {
  return table(
    ['Signal', 'What it does'],
    signals.map(({ name, about }) => [code(name), plain(about)]),
  );
}

function flagTable(flags: readonly Flag[]): string {
  return table(
    ['Flag', 'Meaning'],
    flags.map(({ name, takesValue, about }) => [
      code(`--${name}${takesValue ? ' <value>' : ''}`),
      plain(about),
    ]),
  );
}
