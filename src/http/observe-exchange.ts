import { failureOf, type ObservedRequest, type Observer, type RequestResult } from '../observe/observer.ts';
import type { EndedExchange } from './exchange/ended-exchange.ts';

/** Tells the observer of an exchange that is over. */
export function observeExchange(observer: Observer | undefined): (exchange: EndedExchange) => void {
  if (observer === undefined) return () => {};
  return (exchange) => observer.request(observed(exchange, performance.now()));
}

function observed(exchange: EndedExchange, now: number): ObservedRequest {
  const { host, kind, bytes, startedAt, firstByteAt = now, incomplete } = exchange;
  return {
    host,
    kind,
    result: resultOf(exchange),
    bytes,
    firstByteSeconds: (firstByteAt - startedAt) / 1000,
    isIncomplete: incomplete !== undefined,
  };
}

function resultOf({ response, brokeOff, outcome }: EndedExchange): RequestResult {
  if (!response.writableFinished) return brokeOff ? 'error' : 'cut';
  if (response.statusCode >= 400) return failureOf(response.statusCode);
  if (outcome === undefined) return 'local';
  return outcome.kind === 'miss' && outcome.collapsed === true ? 'collapsed' : outcome.kind;
}
