import type { RequestHandler } from 'express';
import { failureOf, type ObservedRequest, type Observer, type RequestResult } from '../observe/observer.ts';
import { type Exchange, exchangeOf } from './exchange.ts';

/** Tells the observer of each exchange when it is over. */
export function observeExchange(observer: Observer): RequestHandler {
  return (_request, response, next) => {
    const exchange = exchangeOf(response);
    response.once('close', () => observer.request(observed(exchange, performance.now())));
    next();
  };
}

function observed(exchange: Exchange, now: number): ObservedRequest {
  const { host, kind, bytes, startedAt, firstByteAt = now } = exchange;
  return {
    host,
    kind,
    result: resultOf(exchange),
    bytes,
    firstByteSeconds: (firstByteAt - startedAt) / 1000,
  };
}

function resultOf({ response, brokeOff, outcome }: Exchange): RequestResult {
  if (!response.writableFinished) return brokeOff ? 'error' : 'cut';
  if (response.statusCode >= 400) return failureOf(response.statusCode);
  if (outcome === undefined) return 'local';
  return outcome.kind === 'miss' && outcome.collapsed === true ? 'collapsed' : outcome.kind;
}
