import type { Config } from '../config/schema.ts';
import { maxHeadMs } from '../http/exchange/head-limit.ts';

/** Upstream's own time-out, which says more, comes first where it is shorter. Milliseconds. */
const graceMs = 250;

/** How long a client waits for a status line, whatever is waited for behind it. Milliseconds. */
export function headLimitMs({ pullTimeout }: Config): number {
  return Math.min(maxHeadMs, pullTimeout + graceMs);
}
