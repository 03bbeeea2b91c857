import { networkOf } from '../../base/network-of.ts';
import type { Soon } from '../../base/soon.ts';
import { soon } from '../../base/soon.ts';
import { RegistryError } from '../../oci/error.ts';
import type { Subject } from '../subject.ts';
import type { Allowance, RateLimitSettings } from './rate-limit.ts';

/** Counts, or cannot: undefined. */
export interface MaybeCounter {
  count(client: string): Soon<Allowance | undefined>;
  /** Would one more be one too many? Counts nothing. */
  isOver(client: string): Soon<boolean | undefined>;
}

/** Names and values in turn. */
export type LimitHeaders = readonly string[];

export interface Limited {
  /** For whatever he is answered. */
  readonly headers: LimitHeaders;
  /** Why he is not answered otherwise: TOOMANYREQUESTS, UNAVAILABLE. */
  readonly refusal: RegistryError | undefined;
}

/** A longer name is a key by its end too, and keys are not for storing texts. */
const maxKey = 256;
const nothing: Limited = { headers: [], refusal: undefined };

/** How often clients may ask. */
export class Limiter {
  readonly #settings: RateLimitSettings;
  readonly #counter: MaybeCounter;

  constructor(settings: RateLimitSettings, counter: MaybeCounter) {
    this.#settings = settings;
    this.#counter = counter;
  }

  /** Counts a request of his. */
  take(subject: Pick<Subject, 'id' | 'address'>): Soon<Limited> {
    const client = clientOf(subject, this.#settings.by);
    if (client === undefined) return nothing;
    return soon(this.#counter.count(client.slice(0, maxKey)), (allowance) => this.#limited(allowance));
  }

  /** May he ask once more? Counts nothing. Throws TOOMANYREQUESTS, UNAVAILABLE. */
  check(subject: Pick<Subject, 'id' | 'address'>): Soon<void> {
    const { requests, per, by } = this.#settings;
    const client = clientOf(subject, by);
    if (client === undefined) return;
    return soon(this.#counter.isOver(client.slice(0, maxKey)), (isOver) => {
      if (isOver === undefined) throw uncounted();
      // Whoever counts it behind this says when there is more.
      if (isOver) throw tooMany(requests, per, '1');
    });
  }

  #limited(allowance: Allowance | undefined): Limited {
    const { requests, per } = this.#settings;
    if (allowance === undefined) return { headers: [], refusal: uncounted() };
    const { isOver, remaining, resetMs } = allowance;
    const window = `;w=${Math.ceil(per / 1000)}`;
    const reset = String(Math.max(1, Math.ceil(resetMs / 1000)));
    return {
      headers: [
        ...['RateLimit-Limit', `${requests}${window}`],
        ...['RateLimit-Remaining', `${remaining}${window}`],
        ...['RateLimit-Reset', reset],
      ],
      refusal: isOver ? tooMany(requests, per, reset) : undefined,
    };
  }
}

/** Undefined: he is not counted. */
function clientOf(
  { id, address = '' }: Pick<Subject, 'id' | 'address'>,
  by: RateLimitSettings['by'],
): string | undefined {
  if (by === 'address') return networkOf(address);
  return id ?? (by === 'user' ? undefined : networkOf(address));
}

function tooMany(requests: number, per: number, reset: string): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', `more than ${requests} requests in ${per / 1000} seconds`, {
    headers: { 'Retry-After': reset },
  });
}

function uncounted(): RegistryError {
  return new RegistryError('UNAVAILABLE', 'requests cannot be counted now', {
    status: 503,
    headers: { 'Retry-After': '1' },
  });
}
