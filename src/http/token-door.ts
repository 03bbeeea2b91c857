import type { RequestListener } from 'node:http';
import type { RequestHandler } from 'express';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { accessLog } from './access-log.ts';
import { application } from './application.ts';
import { errorResponse } from './error-response.ts';
import { exchangeOf } from './exchange/exchange.ts';
import type { HeadLimit } from './exchange/head-limit.ts';
import { refuseTwice } from './sent-twice.ts';
import type { TokenPaths } from './token-paths.ts';

interface TokenDoorParts {
  readonly tokens?: TokenPaths | undefined;
  /** Throws to refuse a request, while the server stops. */
  readonly admit: () => void;
  /** Default: 20 s. */
  readonly headLimit?: HeadLimit | undefined;
  readonly log: Log;
  readonly clock: Clock;
}

/** A door behind which there are tokens and nothing else. */
export function createTokenDoor({ tokens, admit, headLimit, log, clock }: TokenDoorParts): RequestListener {
  const app = application();
  app.use(accessLog(log, undefined, headLimit));
  app.use(answering(tokens, admit));
  app.use(errorResponse(log, clock));
  return app;
}

function answering(tokens: TokenPaths | undefined, admit: () => void): RequestHandler {
  return async (request, response) => {
    const exchange = exchangeOf(response);
    refuseTwice(request.rawHeaders);
    admit();
    if (tokens?.has(exchange.path) === true) await tokens.answer(exchange);
    else exchange.sendJson(404, { message: 'only tokens are had here' });
  };
}
