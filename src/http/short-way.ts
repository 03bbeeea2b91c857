import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { AskedOnce } from './asked-once.ts';
import { type Authorise, admitAll, callerOf } from './authorise.ts';
import type { EndedExchange } from './exchange/ended-exchange.ts';
import type { KnownCaller } from './exchange/known-caller.ts';
import { requestId } from './exchange/request-id.ts';
import type { FinishedAnswer, FinishedAnswers } from './finished-answers.ts';

/** How every request can be answered. `authorise`: whose word counts for this one. */
export type LongWay = (request: IncomingMessage, response: ServerResponse, authorise?: Authorise) => void;

interface ShortWayParts {
  readonly finished: FinishedAnswers;
  /** Throws to refuse a request. */
  readonly admit: () => void;
  readonly authorise: Authorise;
  /** Told of each exchange that is over. */
  readonly over: (exchange: EndedExchange) => void;
}

/**
 * Sends what is finished, before any router: a request that was answered before in the same words, whose caller may have it, and whose answer
 * stands. Nobody can tell it from the long way but by the time that it takes; all else goes that way, with what was asked about its caller.
 */
export function shortWay(
  { finished, admit, authorise, over }: ShortWayParts,
  longWay: LongWay,
): RequestListener {
  return (request, response) => {
    const startedAt = performance.now();
    const answer = finished.of(request);
    if (answer === undefined || !isOpen(admit)) {
      longWay(request, response);
      return;
    }
    // Nobody is asked who he is.
    if (authorise === admitAll) {
      if (answer.standing.holds()) send(answer, request, response, { startedAt, over });
      else longWay(request, response);
      return;
    }
    const asked = new AskedOnce(authorise, answer.access, callerOf(request));
    const { known } = asked;
    if (asked.isAdmitted && answer.standing.holds())
      send(answer, request, response, { startedAt, over, known });
    else longWay(request, response, asked.again);
  };
}

function isOpen(admit: () => void): boolean {
  try {
    admit();
    return true;
  } catch {
    return false;
  }
}

interface Sending {
  readonly startedAt: number;
  readonly over: ShortWayParts['over'];
  readonly known?: KnownCaller | undefined;
}

function send(
  { standing, headers, body, target, kind, host, outcome, pulled }: FinishedAnswer,
  request: IncomingMessage,
  response: ServerResponse,
  { startedAt, over, known }: Sending,
): void {
  standing.given();
  const id = requestId(request.headers['x-request-id']);
  const firstByteAt = body === undefined ? undefined : performance.now();
  const ended: EndedExchange = {
    request,
    response,
    target,
    id,
    startedAt,
    firstByteAt,
    kind,
    host,
    outcome,
    pulled,
    bytes: body?.length ?? 0,
    brokeOff: false,
    incomplete: undefined,
    failure: undefined,
    known,
  };
  response.once('close', () => over(ended));
  response.writeHead(200, ['X-Request-Id', id, ...(known?.headers ?? []), ...headers]);
  response.end(body, 'latin1');
}
