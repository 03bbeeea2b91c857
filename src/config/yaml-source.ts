import {
  type Document,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  visit,
} from 'yaml';
import type * as z from 'zod';
import { ConfigError } from './config-error.ts';
import type { Problem } from './problem.ts';
import { itemOf, keysOf, type Path, takesFlag, takesText } from './schema-tree.ts';
import { yamlMistakes } from './yaml-mistakes.ts';

/** One mistake makes many: the first are the ones to look at. */
const maxSyntaxProblems = 5;
/** yaml.v3, which the original uses, reads these of YAML 1.1 wherever true or false is wanted. */
const flags: ReadonlyMap<string, boolean> = new Map([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON'].map((word) => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF'].map((word) => [word, false] as const),
]);

export interface Position {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

const noAlias = 'aliases are not supported: write out what it stands for';
const noMerge = 'merge keys are not supported: write out what would be merged';

/** A YAML text and where in it everything stands. */
export class YamlSource {
  /** What is YAML and not taken; the rest is read as if it were not there. */
  readonly untaken: readonly Problem[];
  readonly #document: Document;
  readonly #lines: LineCounter;

  /** Throws ConfigError, with `name` in front of each line, for what is no YAML. */
  constructor(yaml: string, name: string) {
    this.#lines = new LineCounter();
    this.#document = parseDocument(yaml, {
      lineCounter: this.#lines,
      prettyErrors: false,
      stringKeys: true,
      logLevel: 'error',
    });
    this.untaken = untakenIn(this.#document);
    const mistakes = yamlMistakes(this.#document, yaml, this.#lines);
    if (mistakes.length === 0) return;
    const lines = mistakes.slice(0, maxSyntaxProblems).map(({ offset, message }) => {
      const { line, column } = this.#position(offset);
      return `${name}:${line}:${column}: ${message}`;
    });
    throw new ConfigError([...new Set(lines)]);
  }

  /**
   * The content as the schema wants it: text where it wants text (`1.10`, `0755`), `yes` where it wants a flag.
   * A key without a value is as good as absent, as in the original; an unknown one stays to be complained about.
   */
  value(schema: z.ZodType): unknown {
    return plain(this.#document.contents, schema) ?? {};
  }

  /** Does the top level have this key? Without one it is asked for the whole. */
  has(key: string | number | undefined): boolean {
    const { contents } = this.#document;
    if (key === undefined) return true;
    const pair = isMap(contents) ? contents.items.find(({ key: name }) => keyText(name) === key) : undefined;
    return pair !== undefined;
  }

  /** Where the value at this path begins, or its key; for what is absent, where it should have been. */
  locate(path: Path, what: 'key' | 'value'): Position {
    let node: unknown = this.#document.contents;
    let pair: Pair | undefined;
    for (const step of path) {
      pair = isMap(node) ? node.items.find(({ key }) => keyText(key) === step) : undefined;
      const next: unknown = isSeq(node) ? node.items[Number(step)] : pair?.value;
      if (next === undefined || next === null) break;
      node = next;
    }
    const at = what === 'key' && pair !== undefined ? pair.key : node;
    return this.#position((at as Node | null)?.range?.[0] ?? 0);
  }

  #position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { offset, line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

function untakenIn(document: Document): Problem[] {
  const found: Problem[] = [];
  visit(document, {
    Alias: (_, alias, above) =>
      void found.push({ path: pathTo(alias, above), message: noAlias, at: 'value' }),
    Pair: (_, pair, above) => {
      if (keyText(pair.key) === '<<') found.push({ path: pathTo(pair, above), message: noMerge, at: 'key' });
    },
  });
  return found;
}

/** Where a node stands, by what is above it. */
function pathTo(node: unknown, above: readonly unknown[]): Path {
  const nodes = [...above, node];
  return nodes.flatMap((each, depth): (string | number)[] => {
    if (isPair(each)) return [keyText(each.key)];
    const parent = nodes[depth - 1];
    return isSeq(parent) ? [parent.items.indexOf(each)] : [];
  });
}

function plain(node: unknown, schema: z.ZodType | undefined): unknown {
  if (isMap(node)) return mapping(node.items, keysOf(schema));
  if (isSeq(node)) return node.items.map((item) => plain(item, itemOf(schema)) ?? null);
  return isScalar(node) ? scalar(node, schema) : undefined;
}

function mapping(pairs: readonly Pair[], keys: ReadonlyMap<string, z.ZodType>): unknown {
  const entries = pairs.map(({ key, value }): [string, unknown] => {
    const name = keyText(key);
    return [name, plain(value, keys.get(name))];
  });
  return Object.fromEntries(entries.filter(([name, value]) => value !== undefined || !keys.has(name)));
}

function scalar({ value, source }: Scalar, schema: z.ZodType | undefined): unknown {
  if (value === null) return undefined;
  if (typeof value !== 'string' && takesText(schema)) return source ?? String(value);
  if (typeof value === 'string' && takesFlag(schema)) return flags.get(value) ?? value;
  return value;
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : '';
}
