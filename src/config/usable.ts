import type * as z from 'zod';
import type { Path } from './schema-tree.ts';

/** A wrong key is taken out with its mapping where that is nothing without it, and so on outwards. */
const maxRounds = 20;

export interface Usable<Output> {
  readonly config: Output;
  /** Keys of the top level that are not as they stand there, but by default. */
  readonly defaulted: ReadonlySet<string>;
}

/**
 * What a configuration is without its mistakes, which are taken out of `input` itself: what else would be wrong with it is told of
 * that. Undefined: nothing is left.
 */
export function usable<S extends z.ZodType>(schema: S, input: unknown): Usable<z.output<S>> | undefined {
  const defaulted = new Set<string>();
  for (let round = 0; round < maxRounds; round++) {
    const { success, data, error } = schema.safeParse(input);
    if (success) return { config: data, defaulted };
    const taken: Path[] = [];
    for (const path of wrongOnes(error.issues).toSorted(fromTheEnd)) {
      if (taken.some((gone) => gone.every((step, depth) => step === path[depth]))) continue;
      const gone = take(input, path);
      if (gone === undefined) return undefined;
      taken.push(gone);
      if (gone.length === 1) defaulted.add(String(gone[0]));
    }
  }
  return undefined;
}

function wrongOnes(issues: readonly z.core.$ZodIssue[]): Path[] {
  return issues.flatMap((issue): Path[] => {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
    return issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path];
  });
}

/** So that the items of a list are taken from its end on, and none moves before its own turn. */
function fromTheEnd(a: Path, b: Path): number {
  const at = a.findIndex((step, depth) => step !== b[depth]);
  if (at < 0) return b.length - a.length;
  const [left, right = -1] = [a[at] as string | number, b[at]];
  if (typeof left === 'number' && typeof right === 'number') return right - left;
  return String(left) < String(right) ? 1 : -1;
}

/** Takes out what stands at this path, or the next thing around it that is there; undefined: that is the whole. */
function take(input: unknown, path: Path): Path | undefined {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = path.slice(0, depth - 1).reduce(stepInto, input);
    const step = path[depth - 1] ?? '';
    if (!isObject(parent) || !Object.hasOwn(parent, step)) continue;
    if (Array.isArray(parent)) parent.splice(Number(step), 1);
    else Reflect.deleteProperty(parent, step);
    return path.slice(0, depth);
  }
  return undefined;
}

function stepInto(value: unknown, step: string | number): unknown {
  return isObject(value) && Object.hasOwn(value, step) ? Reflect.get(value, step) : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
