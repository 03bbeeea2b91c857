import { readFile } from 'node:fs/promises';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';

/** Connections to each of the pages beside the API. */
export const maxAside = 50;
/** The program's own files, the pages beside the API, the index. */
const ownFiles = 100;
/** For a download from an upstream its connection and the file it is written to, for another request its connection. */
const perSlot = 3;
/** Upstreams need not be configured: so many with the usual number of slots are reckoned with at the least. */
const fewestUpstreams = 3;
/** Of a small limit no more than this share is reserved. */
const reservedShare = 0.5;
/** A connection, and the file that is read or written for it. */
const perConnection = 2;
/** Fewer than this some cluster will notice. */
const few = 1000;

/** So many connections of clients that there are files left for what they ask for: the configured number, or fewer, which is said: loudly where it matters. */
export async function connectionsWithin(config: Config, log: Log): Promise<number> {
  const { maxConnections: configured } = config.server;
  const limit = await openFilesLimit();
  const most = connectionsOf(limit, reservedFiles(config));
  if (configured <= most) return configured;
  log[most < few ? 'warn' : 'info'](
    { maxConnections: configured, openFiles: limit, connections: most },
    'fewer connections at a time than server.maxConnections says, as this process may open no more files (ulimit -n, LimitNOFILE)',
  );
  return most;
}

/** What is not for connections of clients. */
export function reservedFiles({ registries, upstream }: Config): number {
  const slots = registries.map(({ upstream: own }) => own.maxConcurrent ?? upstream.maxConcurrent);
  while (slots.length < fewestUpstreams) slots.push(upstream.maxConcurrent);
  return ownFiles + perSlot * slots.reduce((sum, count) => sum + count, 0);
}

/** Of a process that may open so many files, some of which are reserved. */
export function connectionsOf(openFiles: number, reserved: number): number {
  const left = openFiles - Math.min(reserved, openFiles * reservedShare);
  return Math.max(1, Math.floor(left / perConnection));
}

/** Node has raised the soft limit to the hard one at its start. Where nobody says there is none. */
async function openFilesLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'latin1').catch(() => '');
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
  return Number.isNaN(soft) ? Number.POSITIVE_INFINITY : soft;
}
