import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type Authorise, admitAll, callerOf } from './authorise.ts';
import type { EndedExchange } from './exchange/ended-exchange.ts';
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
    const refused = refusal(authorise, answer, request);
    if (refused === undefined && answer.standing.holds())
      send(answer, request, response, { startedAt, over });
    else longWay(request, response, refused ?? admitAll);
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

/** What was said about the caller, to be said again: he is asked about once. Undefined: he is admitted, and was so at once. */
function refusal(
  authorise: Authorise,
  { access }: FinishedAnswer,
  request: IncomingMessage,
): Authorise | undefined {
  try {
    const verdict = authorise({ ...access, caller: callerOf(request) });
    return verdict === undefined ? undefined : () => verdict;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function send(
  { standing, headers, body, target, kind, host, outcome, pulled }: FinishedAnswer,
  request: IncomingMessage,
  response: ServerResponse,
  { startedAt, over }: { readonly startedAt: number; readonly over: ShortWayParts['over'] },
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
  };
  response.once('close', () => over(ended));
  response.writeHead(200, ['X-Request-Id', id, ...headers]);
  response.end(body, 'latin1');
}
