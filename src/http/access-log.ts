import type { RequestHandler } from 'express';
import type { Log } from '../log.ts';
import type { Outcome } from '../oci/outcome.ts';
import { Exchange } from './exchange.ts';
import type { HeadLimit } from './head-limit.ts';

const maxUrl = 1024;

/** Begins the exchange, and writes its one line when it is over: `info`, `warn` for what the client did wrong, `error` for 5xx. */
export function accessLog(
  log: Log,
  over: (exchange: Exchange) => void = () => {},
  headLimit?: HeadLimit,
): RequestHandler {
  return (request, response, next) => {
    const exchange = new Exchange(request, response, headLimit);
    response.locals['exchange'] = exchange;
    response.once('close', () => {
      write(log, exchange);
      over(exchange);
    });
    next();
  };
}

function write(log: Log, exchange: Exchange): void {
  const { request, response, host, outcome, bytes, failure, incomplete, startedAt } = exchange;
  const { statusCode: status } = response;
  const level = status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info';
  log[level](
    {
      method: request.method,
      url: exchange.target.shown.slice(0, maxUrl),
      status,
      upstream: host,
      cache: outcome && wordOf(outcome),
      bytes,
      ms: Math.round((performance.now() - startedAt) * 10) / 10,
      client: request.socket.remoteAddress,
      ...(response.writableFinished ? {} : { cut: true }),
      ...(failure === undefined ? {} : { failure }),
      ...(incomplete === undefined ? {} : { incomplete }),
      ...(outcome?.kind === 'stale' && { cause: outcome.cause }),
    },
    'request',
  );
}

function wordOf(outcome: Outcome): string {
  return outcome.kind === 'miss' && outcome.collapsed === true ? 'collapsed' : outcome.kind;
}
