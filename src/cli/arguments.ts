import type { Flag } from './flags.ts';

/** Go's words for true and false (strconv.ParseBool). */
const truth: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((word) => [word, true] as const),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((word) => [word, false] as const),
]);

/** Flags that are not among those of commands. */
const others: ReadonlySet<string> = new Set(['help', 'version']);

/**
 * The original's notations as commander's: one dash for two (`-port 8080`), `--air-gapped=false` for
 * `--no-air-gapped`. A flag's value is never taken for a flag. What is not known is left as it is.
 */
export function normalArguments(argv: readonly string[], flags: readonly Flag[]): string[] {
  const takesValue = new Map(flags.map((flag) => [flag.name, flag.takesValue]));
  const normal: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? '';
    if (argument === '--') return [...normal, ...argv.slice(index)];
    const [, name = '', value] = /^--?([a-z][a-z-]+)(?:=(.*))?$/s.exec(argument) ?? [];
    if (takesValue.get(name) !== true) {
      normal.push(takesValue.has(name) || others.has(name) ? switched(name, value) : argument);
    } else {
      const text = value ?? argv[++index];
      normal.push(text === undefined ? `--${name}` : `--${name}=${text}`);
    }
  }
  return normal;
}

function switched(name: string, value: string | undefined): string {
  if (value === undefined) return `--${name}`;
  const on = truth.get(value);
  if (on === undefined) return `--${name}=${value}`;
  return on ? `--${name}` : `--no-${name}`;
}
