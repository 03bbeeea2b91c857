import type { RequestHandler } from 'express';
import type { Log } from '../base/log.ts';
import type { Outcome } from '../oci/outcome.ts';
import { shownHost, shownName } from '../oci/reference.ts';
import type { EndedExchange } from './exchange/ended-exchange.ts';
import { Exchange } from './exchange/exchange.ts';
import type { HeadLimit } from './exchange/head-limit.ts';
import type { KnownCaller } from './exchange/known-caller.ts';

const maxUrl = 1024;
const maxAgent = 200;
const maxSubject = 200;

/**
 * Begins the exchange, and writes its one line when it is over: `info`, `warn` for what the client did wrong, `error` for 5xx. That
 * something is not there is an answer like any other.
 */
export function accessLog(
  log: Log,
  over: (exchange: EndedExchange) => void = () => {},
  headLimit?: HeadLimit,
): RequestHandler {
  return (request, response, next) => {
    const exchange = new Exchange(request, response, headLimit);
    response.locals['exchange'] = exchange;
    response.setHeader('X-Request-Id', exchange.id);
    response.once('close', () => {
      logExchange(log, exchange);
      over(exchange);
    });
    next();
  };
}

/** Its one line. */
export function logExchange(log: Log, exchange: EndedExchange): void {
  const { request, response, host, outcome, bytes, failure, incomplete, startedAt, known } = exchange;
  const { statusCode: status } = response;
  log[levelOf(status)](
    {
      id: exchange.id,
      method: request.method,
      url: exchange.target.shown.slice(0, maxUrl),
      status,
      upstream: host && shownHost(host),
      cache: outcome && wordOf(outcome),
      bytes,
      ms: Math.round((performance.now() - startedAt) * 10) / 10,
      client: known?.address ?? request.socket.remoteAddress,
      agent: request.headers['user-agent']?.slice(0, maxAgent),
      ...(known !== undefined && aboutCaller(exchange, known)),
      ...(response.writableFinished ? {} : { cut: true }),
      ...(failure === undefined ? {} : { failure }),
      ...(incomplete === undefined ? {} : { incomplete }),
      ...(outcome?.kind === 'stale' && { cause: outcome.cause }),
    },
    'request',
  );
}

/** Who had what, and by which rule. */
function aboutCaller({ pulled, subject: given }: EndedExchange, known: KnownCaller): object {
  const { id, repository, digest, rule } = known;
  const subject = given ?? id;
  return {
    subject: subject?.slice(0, maxSubject),
    repository: repository && shownName(repository),
    digest: pulled?.descriptor.digest ?? digest,
    rule,
  };
}

function levelOf(status: number): 'info' | 'warn' | 'error' {
  if (status >= 500) return 'error';
  return status >= 400 && status !== 404 ? 'warn' : 'info';
}

function wordOf(outcome: Outcome): string {
  return outcome.kind === 'miss' && outcome.collapsed === true ? 'collapsed' : outcome.kind;
}
