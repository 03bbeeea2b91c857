import { realpath, stat } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { isAbsolute, join, relative } from 'node:path';
import type { RequestHandler, Response } from 'express';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { RegistryError } from '../oci/error.ts';
import { accessLog } from './access-log.ts';
import { application } from './application.ts';
import { errorResponse } from './error-response.ts';
import { exchangeOf } from './exchange/exchange.ts';

export interface IndexFilesParts {
  /** What may be read, with all below it. */
  readonly directory: string;
  /** Throws to refuse a request, while the server stops. */
  readonly admit: () => void;
  readonly log: Log;
  readonly clock: Clock;
}

/** Where the library knows an older name, or none. */
const types: Readonly<Record<string, string>> = {
  yaml: 'application/yaml', // RFC 9512
  yml: 'application/yaml',
};

/** What says that there is no such file, or none to be had by this name. */
const absent: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ENAMETOOLONG',
  'ELOOP',
  'EACCES',
  'EINVAL',
]);

/**
 * The files of a directory, to be read and nothing else: no list of them, nothing whose name begins with a dot, nothing that a link leads to outside.
 * With conditional requests and ranges (RFC 9110 sections 13 and 14), by what `send` makes of the file's size and time.
 */
export function createIndexFiles({ directory, admit, log, clock }: IndexFilesParts): RequestListener {
  const app = application();
  // Of a file, by its size and time.
  app.enable('etag');
  app.use(accessLog(log));
  app.use(answering(directory, admit));
  app.use(errorResponse(log, clock));
  return app;
}

function answering(directory: string, admit: () => void): RequestHandler {
  return async (request, response) => {
    admit();
    if (request.method !== 'GET' && request.method !== 'HEAD') throw notAllowed();
    const path = await fileAt(directory, exchangeOf(response).path);
    if (path === undefined) exchangeOf(response).sendJson(404, { message: 'there is no such file' });
    else await send(response, path);
  };
}

/** Where it is, all links followed. Undefined: there is none, it is no file, or lies outside. `path` as it was sent. */
async function fileAt(directory: string, path: string): Promise<string | undefined> {
  const segments = path.split('/').slice(1).map(decoded);
  if (!segments.every((segment) => segment !== undefined && isName(segment))) return undefined;
  try {
    const root = await realpath(directory);
    const file = await realpath(join(root, ...(segments as string[])));
    return isBelow(root, file) && (await stat(file)).isFile() ? file : undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error && absent.has(String(error.code))) return undefined;
    throw error;
  }
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/** Of a file or folder that is shown: neither `.` and `..`, nor what nobody meant to show. */
function isName(segment: string): boolean {
  return segment !== '' && !segment.startsWith('.') && !/[/\\\0]/.test(segment);
}

function isBelow(root: string, file: string): boolean {
  const way = relative(root, file);
  return way !== '' && !isAbsolute(way) && way.split('/', 1)[0] !== '..';
}

async function send(response: Response, path: string): Promise<void> {
  const exchange = exchangeOf(response);
  const type = types[/\.([^.]+)$/.exec(path)?.[1]?.toLowerCase() ?? ''];
  if (type !== undefined) response.setHeader('Content-Type', type);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  // Before the line of the log is written.
  response.prependOnceListener('close', () => {
    if (!exchange.isHead) exchange.bytes = Number(response.getHeader('Content-Length') ?? 0);
  });
  const sent = Promise.withResolvers<void>();
  // Its path was judged, and may lead through what Kubernetes calls `..data`.
  const options = {
    dotfiles: 'allow',
    cacheControl: false,
    headers: { 'Cache-Control': 'no-cache' },
  } as const;
  response.sendFile(path, options, (error?: Error) => {
    if (error === undefined) sent.resolve();
    else sent.reject(refusal(error) ?? error);
  });
  await sent.promise;
}

/** What the client asked for in vain: a range that there is not (416), a condition that does not hold (412). Undefined: it is none of his faults. */
function refusal(error: Error & { status?: unknown; headers?: unknown }): RegistryError | undefined {
  const { status, headers } = error;
  if (status !== 412 && status !== 416) return undefined;
  return new RegistryError(
    status === 416 ? 'RANGE_INVALID' : 'UNSUPPORTED',
    'the file is not as was asked for',
    {
      status,
      headers: headers as Readonly<Record<string, string>> | undefined,
      cause: error,
    },
  );
}

function notAllowed(): RegistryError {
  return new RegistryError('UNSUPPORTED', 'files are only read here', {
    headers: { Connection: 'close', Allow: 'GET, HEAD' },
  });
}
