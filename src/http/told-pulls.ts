import type { Clock } from '../base/clock.ts';
import type { Tell } from '../observe/content-event.ts';
import { isDigest } from '../oci/reference.ts';
import { clientRequestOf } from './exchange/client-request.ts';
import type { EndedExchange } from './exchange/ended-exchange.ts';

type Over = (exchange: EndedExchange) => void;

/** Tells of each manifest that a client has got, behind what is done with each exchange anyway. `tell` undefined: that alone. */
export function withToldPulls(over: Over, tell: Tell | undefined, clock: Pick<Clock, 'now'>): Over {
  if (tell === undefined) return over;
  return (exchange) => {
    over(exchange);
    const { pulled, response } = exchange;
    if (pulled === undefined || !response.writableFinished) return;
    const { repository, reference, descriptor } = pulled;
    const tag = isDigest(reference) ? undefined : reference;
    const request = clientRequestOf(exchange);
    tell({ kind: 'pull', at: clock.now(), repository, descriptor, tag, request });
  };
}
