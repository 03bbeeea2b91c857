import { abortable } from '../base/abortable.ts';
import { callerOf } from '../http/authorise.ts';
import type { Exchange } from '../http/exchange/exchange.ts';
import { drained } from '../http/exchange/request-body.ts';
import type { TokenPaths } from '../http/token-paths.ts';
import type { Admission } from './admission.ts';

/** Tokens count as what is had with them does: each request by where it comes from, before anybody looks at a password. */
export class CountedTokens implements TokenPaths {
  readonly #tokens: TokenPaths;
  readonly #count: Admission['count'];

  constructor(tokens: TokenPaths, { count }: Pick<Admission, 'count'>) {
    this.#tokens = tokens;
    this.#count = count;
  }

  has(path: string): boolean {
    return this.#tokens.has(path);
  }

  async answer(exchange: Exchange): Promise<void> {
    try {
      const counted = this.#count({ caller: callerOf(exchange.request), tell: exchange.meet });
      if (counted !== undefined) await exchange.ask(async ({ signal }) => await abortable(counted, signal));
    } catch (error) {
      await drained(exchange);
      throw error;
    }
    await this.#tokens.answer(exchange);
  }
}
