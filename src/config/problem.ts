import type * as z from 'zod';
import type { Path } from './schema-tree.ts';
import { unknownKey } from './unknown-key.ts';

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
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: unknownKey(key, path, schema),
      at: 'key',
    }));
  });
}
