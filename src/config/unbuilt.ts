import { isDeepStrictEqual } from 'node:util';
import type * as z from 'zod';
import { notYet } from './key.ts';
import type { Problem } from './problem.ts';
import { type Path, type Place, places } from './schema-tree.ts';

interface Unbuilt {
  /** Set, without effect: for the warning. */
  readonly ignored: readonly Path[];
  /** Set, and not safe to ignore. */
  readonly refused: readonly Problem[];
}

/** The keys whose feature is not in this version and that are set to something other than their default. */
export function findUnbuilt(schema: z.ZodType, input: unknown): Unbuilt {
  const set = [...places(schema, input)].filter(isSet);
  return {
    ignored: set.filter(({ state }) => state === 'ignored').map(({ path }) => path),
    refused: set
      .filter(({ state }) => state === 'refused')
      .map(({ path }) => ({
        path,
        message: `${notYet}, and not safe to ignore: take it out, the server does not start with it`,
        at: 'key',
      })),
  };
}

function isSet({ schema, state, value }: Place): boolean {
  if (state !== 'ignored' && state !== 'refused') return false;
  const parsed = schema.safeParse(value);
  return !parsed.success || !isDeepStrictEqual(parsed.data, schema.safeParse(undefined).data);
}
