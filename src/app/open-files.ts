import { readFile } from 'node:fs/promises';
import type { Log } from '../base/log.ts';

/** Connections to each of the pages beside the API. */
export const maxAside = 50;
/** The program's own files, the pages beside the API, the index, what is written behind clients' backs, and connections to upstreams. */
const reserved = 400;
/** Of a small limit no more than this share is reserved. */
const reservedShare = 0.5;
/** A connection, and the file that is read or written for it. */
const perConnection = 2;
/** Fewer than this some cluster will notice. */
const few = 1000;

/** So many connections of clients that there are files left for what they ask for: the configured number, or fewer, which is said. */
export async function connectionsWithin(configured: number, log: Log): Promise<number> {
  const limit = await openFilesLimit();
  const most = connectionsOf(limit);
  if (configured <= most) return configured;
  log[most < few ? 'warn' : 'info'](
    { maxConnections: configured, openFiles: limit, connections: most },
    'this process may not open as many files as server.maxConnections needs: it takes fewer connections (ulimit -n, LimitNOFILE)',
  );
  return most;
}

/** Of a process that may open so many files. */
export function connectionsOf(openFiles: number): number {
  const left = openFiles - Math.min(reserved, openFiles * reservedShare);
  return Math.max(1, Math.floor(left / perConnection));
}

/** Node has raised the soft limit to the hard one at its start. Where nobody says there is none. */
async function openFilesLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'latin1').catch(() => '');
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
  return Number.isNaN(soft) ? Number.POSITIVE_INFINITY : soft;
}
