import { setTimeout as sleep } from 'node:timers/promises';
import type { Candidate } from '../candidates.ts';

const lookMs = 100;

/** In the units of `costSeries`; `cpu` of one operation. */
export interface Cost {
  readonly cpu: number;
  readonly residentMiB: number;
  readonly descriptors: number;
  readonly delayP99: number;
}

/** Does the work, which is so many operations, and looks at what it costs a server that has a page of metrics. */
export async function costOf<Done>(
  server: Candidate,
  work: () => Promise<Done>,
  operations: (done: Done) => number,
): Promise<{ readonly done: Done; readonly cost: Cost }> {
  await server.loopDelay();
  server.forgetPeak();
  const before = server.usage;
  const over = new AbortController();
  const [done, descriptors] = await Promise.all([
    work().finally(() => over.abort()),
    mostOpen(server, over.signal),
  ]);
  const { user, system } = server.usage;
  const { delayP99 } = await server.loopDelay();
  const seconds = user + system - before.user - before.system;
  const cpu = (seconds * 1000) / operations(done);
  return { done, cost: { cpu, residentMiB: server.peakMiB, descriptors, delayP99 } };
}

async function mostOpen(server: Candidate, signal: AbortSignal): Promise<number> {
  let most = 0;
  while (!signal.aborted) {
    const { sockets, files } = server.open;
    most = Math.max(most, sockets + files);
    await sleep(lookMs, undefined, { signal }).catch(() => undefined);
  }
  return most;
}
