import * as z from 'zod';
import { type Complain, must, refused } from './complaint.ts';
import { durationPattern, parseDuration } from './units.ts';

const longestDuration = '36500d';

/** Both as they are written, both included. */
interface DurationRange {
  readonly min?: string;
  readonly max?: string;
}

/** A duration, in milliseconds. */
export function duration(range: DurationRange = {}) {
  const error = must('a duration such as 500ms, 30s, 5m, 1h30m or 7d');
  return z
    .union([z.string().regex(durationPattern, { error }), z.literal(0)], { error })
    .transform((value, context) => inRange(value, range, error, context));
}

/** Milliseconds, as they are or as text; `error` where it is no duration. */
export function inRange(
  value: string | number,
  range: DurationRange,
  error: Complain,
  context: z.RefinementCtx,
): number {
  const milliseconds = typeof value === 'number' ? value : parseDuration(value);
  if (milliseconds === undefined) return refused(error, value, context);
  const { min = '0', max = longestDuration } = range;
  if (milliseconds < (parseDuration(min) ?? 0)) return refused(must(`${min} or more`), value, context);
  if (milliseconds > (parseDuration(max) ?? 0)) return refused(must(`${max} or less`), value, context);
  return milliseconds;
}
