import { readFile } from 'node:fs/promises';
import type { Log } from '../base/log.ts';

/** What the files are for that this process may open. */
export interface FilePlan {
  /** Connections of clients. */
  readonly connections: number;
  /** Connections to each of the pages beside the API. */
  readonly aside: number;
  /** Connections to upstreams. */
  readonly sockets: number;
  /** Connections to whoever is asked for credentials, where {@link sockets} have all: of the program's own. */
  readonly questions: number;
  /** What is finished and waits for the disk. */
  readonly waiting: number;
  /** Blobs that are being written, with those that wait for the disk. */
  readonly writers: number;
  /** Transfers that no client waits for. */
  readonly abandoned: number;
}

/** The program's own: its log, the index, what it listens on, name servers, questions for credentials. Of a small limit no more than this share. */
const own = 48;
const ownShare = 0.5;
/** A connection, what is read for it or written, and where that comes from. */
const perClient = 3;
/** Each of them has a connection and a file. */
const perAbandoned = 2;
/** Fewer clients than this some cluster will notice. */
const few = 1000;

/** What files are for by the limit of the process: with as many clients as are configured, or with fewer, which is said. */
export async function filePlan(configured: number, log: Log): Promise<FilePlan> {
  const limit = await openFilesLimit();
  const plan = planOf(limit);
  if (configured <= plan.connections) return { ...plan, connections: configured };
  log[plan.connections < few ? 'warn' : 'info'](
    { maxConnections: configured, openFiles: limit, connections: plan.connections },
    'fewer connections at a time than server.maxConnections says, as this process may open no more files (ulimit -n, LimitNOFILE)',
  );
  return plan;
}

/** Of a process that may open so many files. */
export function planOf(openFiles: number): FilePlan {
  const share = (of: number, least: number, most: number): number =>
    Math.max(least, Math.min(most, Math.floor(openFiles / of)));
  const aside = share(32, 2, 50);
  const abandoned = share(32, 2, 64);
  const waiting = share(8, 4, 288);
  const reserved = Math.min(own, openFiles * ownShare) + 2 * aside + perAbandoned * abandoned + waiting;
  const connections = Math.max(1, Math.floor((openFiles - reserved) / perClient));
  const transfers = connections + abandoned;
  const writers = transfers + waiting;
  return { connections, aside, sockets: transfers, questions: share(32, 1, 8), waiting, writers, abandoned };
}

/** Node has raised the soft limit to the hard one at its start. Where nobody says there is none. */
async function openFilesLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'latin1').catch(() => '');
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
  return Number.isNaN(soft) ? Number.POSITIVE_INFINITY : soft;
}
