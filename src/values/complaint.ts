import * as z from 'zod';

/** What is wrong with a value, in words that follow the name of its key. */
export type Complain = (issue: { readonly input?: unknown }) => string;

/** What must stand there and what does. For values that are never secret, because it shows them. */
export function must(be: string): Complain {
  return ({ input }) => (input === undefined ? `is required: ${be}` : `must be ${be}, not ${shown(input)}`);
}

/** Adds an issue to what is being parsed. */
export function refused(error: Complain, input: unknown, context: z.RefinementCtx): never {
  context.addIssue({ code: 'custom', message: error({ input }), input });
  return z.NEVER;
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kind(value);
}

/** Of what kind a value is, without showing it. */
export function kind(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'number':
      return 'a number';
    case 'boolean':
      return 'true or false';
    default:
      return 'nothing';
  }
}
