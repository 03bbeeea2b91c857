import type { Clock } from '../base/clock.ts';
import { CountedLines } from '../base/counted-lines.ts';
import type { Log } from '../base/log.ts';
import type { Exchange } from '../http/exchange/exchange.ts';
import { RegistryError } from '../oci/error.ts';
import type { AdminEndpoint, AdminSources } from './endpoint.ts';
import { servedBy } from './endpoints.ts';
import type { Guard, Who } from './guard.ts';
import { BadParameter } from './parameters.ts';
import { setHeaders, wantsJson } from './send-entries.ts';

export interface AdministrationSettings {
  readonly guard: Guard;
  readonly sources: AdminSources;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is below `/cmd`, for whom the guard lets in. */
export class Administration {
  readonly #settings: AdministrationSettings;
  readonly #endpoints: readonly AdminEndpoint[];
  readonly #refusals: CountedLines;

  constructor(settings: AdministrationSettings) {
    const { sources, clock, log } = settings;
    this.#settings = settings;
    this.#endpoints = servedBy(sources);
    this.#refusals = new CountedLines({ clock, write: (fields, message) => log.warn(fields, message) });
  }

  /** Throws RegistryError for who may not ask, before anything is told of what there is. */
  readonly answer = async (exchange: Exchange): Promise<void> => {
    setHeaders(exchange);
    const who = this.#admit(exchange);
    const { method } = exchange.request;
    const there = hasDoubledSlash(exchange)
      ? []
      : this.#endpoints.filter(({ path }) => path === exchange.path);
    const found = there.find((endpoint) => endpoint.method === method);
    if (found !== undefined) await this.#answer(found, exchange, who);
    else if (there.length === 0) exchange.sendJson(404, { message: 'no matching operation was found' });
    else {
      exchange.response.setHeader('Allow', there.map((endpoint) => endpoint.method).join(', '));
      exchange.sendJson(405, { message: 'method not allowed' });
    }
  };

  #admit({ request, target, path, id }: Exchange): Who {
    const { headers, httpVersion, socket } = request;
    const address = socket.remoteAddress;
    try {
      return this.#settings.guard.admit({
        ...{ address, headers, httpVersion },
        isAbsolute: target.server !== undefined,
      });
    } catch (error) {
      if (error instanceof RegistryError)
        this.#refusals.write(
          { id, client: address, path: path.slice(0, 80), problem: error.message },
          'an administrative call was refused',
        );
      throw error;
    }
  }

  async #answer(endpoint: AdminEndpoint, exchange: Exchange, who: Who): Promise<void> {
    const { sources, log } = this.#settings;
    const { id, request, query } = exchange;
    const asked = {
      id,
      by: who,
      client: request.socket.remoteAddress,
      parameters: String(query).slice(0, 500),
    };
    try {
      await endpoint.answer({
        ...{ exchange, who, sources },
        tell: (what, fields) => log.warn({ ...asked, ...fields }, `administration: ${what}`),
      });
    } catch (error) {
      if (!(error instanceof BadParameter)) throw error;
      refuse(endpoint, exchange, error);
    }
  }
}

/** Whoever keeps `/cmd` from others in front of us may go by the letters, and would let `//cmd` pass. */
function hasDoubledSlash({ request }: Exchange): boolean {
  const [sent = ''] = request.originalUrl.split('?', 1);
  return sent.replace(/^https?:\/\//i, '').includes('//');
}

/** In the original's words, but where its framework speaks for it. What is wrong, and what may stand there, is the line below them, which it has not. */
function refuse({ refusal }: AdminEndpoint, exchange: Exchange, error: BadParameter): void {
  const missing = /^(\w+) is missing$/.exec(error.message)?.[1];
  if (missing === 'type')
    exchange.sendJson(400, {
      message: `parameter "${missing}" in query has an error: value is required but missing`,
    });
  else if (wantsJson(exchange)) exchange.sendJson(400, { message: `${refusal}: ${error.message}` });
  else exchange.send(400, 'text/plain; charset=utf-8', `${refusal}\n${error.message}\n`);
}
