import type { ErrorRequestHandler } from 'express';
import type { Clock } from '../base/clock.ts';
import { CountedLines } from '../base/counted-lines.ts';
import type { Log } from '../base/log.ts';
import { RegistryError } from '../oci/error.ts';
import { setCacheStatus } from './exchange/cache-status.ts';
import { ClientGoneError, type Exchange, exchangeOf } from './exchange/exchange.ts';
import { ownFault } from './own-fault.ts';

/**
 * Turns whatever was thrown into an answer. What is no RegistryError is a fault of the machine (503), which many requests meet and the log tells once a
 * minute, or a bug: 500, its stack in the log, nothing of it to the client. Once the headers are out the connection is cut, so that nobody
 * takes a part for the whole.
 */
export function errorResponse(log: Log, clock: Clock): ErrorRequestHandler {
  const faults = new CountedLines({ clock, write: (fields, message) => log.error(fields, message) });
  return (error: unknown, _request, response, _next) => {
    const exchange = exchangeOf(response);
    if (exchange.hasLeft || error instanceof ClientGoneError) {
      exchange.failure = 'the client has left';
      response.destroy();
      return;
    }
    const ours = error instanceof RegistryError ? undefined : ownFault(error);
    const known = error instanceof RegistryError ? error : (ours?.error ?? notFromUs(error));
    exchange.failure = `${known.code}: ${known.forOperator}`;
    const { path: url, id } = exchange;
    if (ours !== undefined) faults.write({ err: error, id, url }, ours.line);
    else if (known.status === 500) log.error({ err: error, id, url }, 'unexpected error');
    if (!response.headersSent) {
      answer(exchange, known);
      return;
    }
    exchange.brokeOff = true;
    response.destroy();
  };
}

function answer(exchange: Exchange, error: RegistryError): void {
  const { response } = exchange;
  for (const name of response.getHeaderNames()) if (isAboutContent(name)) response.removeHeader(name);
  for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
  setCacheStatus(response, exchange.outcome);
  exchange.sendJson(error.status, error);
}

/** Set for the content that there will be none of. */
function isAboutContent(name: string): boolean {
  return ['etag', 'docker-content-digest', 'cache-control', 'accept-ranges', 'content-range'].includes(name);
}

/** Express refuses what it cannot read (a broken escape) with a status of its own. */
function notFromUs(error: unknown): RegistryError {
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
  if (status >= 400 && status < 500)
    return new RegistryError('NAME_INVALID', 'malformed request', { status });
  return new RegistryError('UNKNOWN', 'internal error; the server’s log says more');
}
