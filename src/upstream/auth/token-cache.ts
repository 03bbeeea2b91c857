import type { Clock } from '../../base/clock.ts';
import type { Scope } from '../../oci/scope.ts';
import type { Wording } from '../../oci/wording.ts';

/** An access token. Times in milliseconds of {@link Clock.monotonic}. */
export interface Token {
  readonly value: string;
  /** What the token server was asked for. */
  readonly asked: Scope;
  /** What it is used for: what was asked, and the request that it was fetched for. */
  readonly covers: Scope;
  readonly receivedAt: number;
  readonly expiresAt: number;
  /** Realm and service that it came from. */
  readonly source: string;
  /** Whose it is, for the end of a sentence. */
  readonly who: Wording;
}

const maxTokens = 1000;
const maxMarginMs = 10_000;
const minMarginMs = 1000;
/** What the clocks of a registry and its token server may be apart for a new token to be good at last. Milliseconds. */
const secondChanceMs = 1000;

/** The tokens of one registry, in memory only. Fetches are shared; nothing is locked while one runs. */
export class TokenCache {
  readonly #clock: Clock;
  #tokens = new Map<string, Token>();
  #fetches = new Map<string, Promise<Token>>();
  readonly #chances = new WeakMap<Token, { readonly at: number; readonly after: Promise<void> }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The narrowest token that covers the scope and is good for a moment longer. */
  find(required: Scope): Token | undefined {
    const same = this.#tokens.get(required.toString());
    if (same !== undefined && this.#isFresh(same)) return same;
    let narrowest: Token | undefined;
    for (const token of this.#tokens.values()) {
      if (!token.covers.contains(required) || !this.#isFresh(token)) continue;
      if (narrowest === undefined || token.covers.size < narrowest.covers.size) narrowest = token;
    }
    return narrowest;
  }

  /** One fetch at a time for a key. It does not end when its first caller stops waiting. */
  fetch(key: string, fetch: () => Promise<Token>): Promise<Token> {
    const running = this.#fetches.get(key);
    if (running !== undefined) return running;
    // After clear() these are others: what was begun before must not come back.
    const [tokens, fetches] = [this.#tokens, this.#fetches];
    const started = fetch()
      .then((token) => this.#add(tokens, token))
      .finally(() => fetches.delete(key));
    fetches.set(key, started);
    return started;
  }

  /**
   * Settles when a token that was refused may be sent once more: the same moment for all that carry it, and one in its life.
   * `fresh`: it was fetched for the request that was refused; only such a one begins the wait, or comes too late for it.
   */
  secondChance(token: Token, fresh: boolean): Promise<void> | undefined {
    const now = this.#clock.monotonic();
    const known = this.#chances.get(token);
    if (known !== undefined) return fresh || now < known.at ? known.after : undefined;
    if (!fresh) return undefined;
    const chance = { at: now + secondChanceMs, after: this.#clock.sleep(secondChanceMs) };
    this.#chances.set(token, chance);
    return chance.after;
  }

  /** Forgets a token that was refused, wherever it is. */
  drop(value: string): void {
    for (const [key, token] of this.#tokens) if (token.value === value) this.#tokens.delete(key);
  }

  clear(): void {
    this.#tokens = new Map();
    this.#fetches = new Map();
  }

  #add(tokens: Map<string, Token>, token: Token): Token {
    for (const [key, old] of tokens) if (!this.#isFresh(old)) tokens.delete(key);
    const oldest = tokens.size < maxTokens ? undefined : tokens.keys().next().value;
    if (oldest !== undefined) tokens.delete(oldest);
    tokens.set(token.covers.toString(), token);
    return token;
  }

  /** A token is not used in its last moments: the request takes time, too. */
  #isFresh({ receivedAt, expiresAt }: Token): boolean {
    const marginMs = Math.max(minMarginMs, Math.min(maxMarginMs, (expiresAt - receivedAt) / 10));
    return this.#clock.monotonic() < expiresAt - marginMs;
  }
}
