import type * as z from 'zod';
import { itemOf, keysOf, type Path } from './schema-tree.ts';
import { nearest } from './suggestion.ts';

/** A mistake at a key, not yet located. */
export interface Problem {
  readonly path: Path;
  readonly message: string;
  /** What is wrong: the key itself, or its value. */
  readonly at: 'key' | 'value';
}

/** zod's issues in our terms. The messages are those of the schema; they quote no secret. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], schema: z.ZodType): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
    if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message, at: 'value' }];
    const known = keysOf(schemaAt(schema, path)).keys().toArray();
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known), at: 'key' }));
  });
}

/** `registries[0].auth.password`; a key that is no word is quoted. */
export function pathText(path: Path): string {
  return path
    .map((step) => {
      if (typeof step === 'number') return `[${step}]`;
      return /^[A-Za-z_][\w-]{0,63}$/.test(step) ? `.${step}` : `[${JSON.stringify(step.slice(0, 64))}]`;
    })
    .join('')
    .replace(/^\./, '');
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  return meant === undefined ? 'unknown key' : `unknown key; did you mean ${JSON.stringify(meant)}?`;
}

function schemaAt(schema: z.ZodType, path: Path): z.ZodType | undefined {
  return path.reduce<z.ZodType | undefined>(
    (at, step) => (typeof step === 'number' ? itemOf(at) : keysOf(at).get(step)),
    schema,
  );
}
