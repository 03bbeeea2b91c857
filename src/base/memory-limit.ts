import { totalmem } from 'node:os';

/** What the program takes idle. Bytes. */
const idle = 128 * 1024 * 1024;
/** From so much on, everything has the room that it wants. Bytes. */
const enough = 1024 * 1024 * 1024;
/** Below what it takes idle it will hardly live; it need not divide by nothing as well. */
const least = 1 / 16;

/**
 * What this process may use: the limit of its container (cgroup v1 or v2), or all that the machine has. Bytes. Node gives 0, or a number
 * beyond all memory, where there is no limit.
 */
export function memoryLimit(constrained = process.constrainedMemory(), total = totalmem()): number {
  return constrained > 0 ? Math.min(constrained, total) : total;
}

/** Of what something takes at most in a gigabyte, what it may take here: its share of what the program does not take idle. Bytes. */
export function memoryShare(most: number, limit = memoryLimit()): number {
  const share = (limit - idle) / (enough - idle);
  return Math.floor(most * Math.min(1, Math.max(least, share)));
}
