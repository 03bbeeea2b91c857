import * as z from 'zod';
import { type Complain, kind } from './complaint.ts';

/** Text of any kind; numbers and the like are shown by their kind only, since it may be a password. */
export function text(options: { readonly min?: number } = {}) {
  const { min = 0 } = options;
  const error: Complain = ({ input }) =>
    input === undefined
      ? 'is required'
      : input === ''
        ? 'must not be empty'
        : `must be text, not ${kind(input)}`;
  const any = z.string({ error });
  return min === 0 ? any : any.min(min, { error });
}

/** Text that may be absent; where it is there it is not empty. */
export function word() {
  return text({ min: 1 }).optional();
}

export function list<Item extends z.ZodType>(item: Item) {
  return z.array(item, { error: ({ input }) => `must be a list, not ${kind(input)}` });
}
