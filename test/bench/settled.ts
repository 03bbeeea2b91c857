import { setTimeout as sleep } from 'node:timers/promises';
import type { Candidate } from './candidates.ts';

/** Of a server: it is looked at so often, and has nothing left to do when it was quiet so many times on end. */
const lookMs = 250;
const quietLooks = 4;
/** What a server may use between two looks that only waits: its timers. Seconds. */
const idleSeconds = 0.01;
const limitMs = 120_000;

/**
 * Resolves when the server has done what it left for later: for a second it has written nothing and used next to no processor time. Any server shows as
 * much, whatever it calls its backlog. Returns how long that took, without that second. Milliseconds. Throws where it never is.
 */
export async function untilSettled(server: Candidate): Promise<number> {
  const begunAt = performance.now();
  let before = workOf(server);
  for (let quiet = 0; quiet < quietLooks; ) {
    if (performance.now() - begunAt > limitMs) throw new Error(`${server.host} goes on working`);
    await sleep(lookMs);
    const now = workOf(server);
    const isQuiet = now.written === before.written && now.seconds - before.seconds <= idleSeconds;
    quiet = isQuiet ? quiet + 1 : 0;
    before = now;
  }
  return Math.max(0, performance.now() - begunAt - quietLooks * lookMs);
}

function workOf(server: Candidate): { written: number; seconds: number } {
  const { user, system } = server.usage;
  return { written: server.writtenBytes, seconds: user + system };
}
