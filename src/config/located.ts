import { pathText } from './path-text.ts';
import type { Problem } from './problem.ts';
import type { Path } from './schema-tree.ts';
import type { YamlSource } from './yaml-source.ts';

/** More are counted, not listed. */
const maxProblems = 100;

/** Where a configuration has its values from. */
export interface Origins {
  readonly file: string | undefined;
  readonly source: YamlSource | undefined;
  /** By key; those that were given. */
  readonly flags: object;
}

/** One line for each key that is wrong, with the place that its value is from: flags and defaults first, then the file from top to bottom. */
export function located(problems: readonly Problem[], origins: Origins): string[] {
  const byKey = Map.groupBy(problems, ({ path }) => pathText(path));
  const lines = [...byKey.values()].slice(0, maxProblems).flatMap(([problem]) => {
    return problem === undefined ? [] : [lineOf(problem, origins)];
  });
  const texts = lines.sort((a, b) => a.offset - b.offset).map(({ text }) => text);
  return byKey.size > lines.length ? [...texts, `and ${byKey.size - lines.length} more`] : texts;
}

/** Is the key given on the command line? */
export function isFlag(path: Path, flags: object): boolean {
  return path[0] !== undefined && Object.hasOwn(flags, path[0]);
}

/** `--pull-timeout` of `pullTimeout` */
export function flagName([key = '']: Path): string {
  return `--${String(key).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function lineOf({ path, message, at }: Problem, { file, source, flags }: Origins) {
  if (isFlag(path, flags)) return { offset: -2, text: `${flagName(path)}: ${message}` };
  const key = pathText(path);
  if (source === undefined || !source.has(path[0])) {
    const where = file === undefined ? key : `${file}: ${key}`;
    return { offset: -1, text: `${where} (by default): ${message}` };
  }
  const { offset, line, column } = source.locate(path, at);
  const place = `${file}:${line}:${column}: `;
  return { offset, text: `${place}${key === '' ? '' : `${key}: `}${message}` };
}
