import { setTimeout as sleep } from 'node:timers/promises';
import type { Usage } from './process-tree.ts';

/** A server is looked at so often, and has nothing left to do when it was quiet so many times on end. */
const lookMs = 250;
const quietLooks = 4;
/** What a server may use between two looks that only waits: its timers. Seconds. */
const idleSeconds = 0.01;
const mostLooks = 480;

/** What is looked at of a server. */
interface Working {
  readonly host: string;
  readonly usage: Usage;
  readonly writtenBytes: number;
}

/**
 * Resolves when the server has done what it left for later: for a second it has written nothing and used next to no processor time. Any server
 * shows as much, whatever it calls its backlog. Returns how long that took, without that second, in steps of a look. Milliseconds. Throws when it
 * goes on for two minutes.
 */
export async function untilSettled(
  server: Working,
  pause: (ms: number) => Promise<unknown> = sleep,
): Promise<number> {
  let before = workOf(server);
  let quiet = 0;
  for (let looks = 1; looks <= mostLooks; looks += 1) {
    await pause(lookMs);
    const now = workOf(server);
    const isQuiet = now.written === before.written && now.seconds - before.seconds <= idleSeconds;
    quiet = isQuiet ? quiet + 1 : 0;
    if (quiet === quietLooks) return (looks - quietLooks) * lookMs;
    before = now;
  }
  throw new Error(`${server.host} goes on working`);
}

function workOf({ usage, writtenBytes }: Working): { written: number; seconds: number } {
  return { written: writtenBytes, seconds: usage.user + usage.system };
}
