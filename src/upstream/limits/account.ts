import type { Clock } from '../../base/clock.ts';
import { isManifestKind, requestKind } from '../../net/request-kind.ts';
import { retryAfterMs } from '../../net/retry-after.ts';
import type { Transport, TransportRequest, TransportResponse } from '../../net/transport.ts';
import { RegistryError } from '../../oci/error.ts';
import { Scope } from '../../oci/scope.ts';
import type { AuthorizingTransport } from '../auth/authorizing-transport.ts';
import { limitedMs, type Quota, quotaIn } from './quota.ts';

export interface AccountSettings {
  /** For the log. */
  readonly user: string;
  /** The registry's: what others answer on the way of a redirect says nothing of the account. */
  readonly origin: URL;
  readonly clock: Clock;
}

/** After a 429 that does not say for how long; milliseconds. */
const unsaidMs = 10_000;

/** One identity at a registry: its authorisation, and what the registry lets it ask for. */
export class Account implements Transport {
  readonly user: string;
  readonly #authorizing: AuthorizingTransport;
  readonly #origin: string;
  readonly #clock: Clock;
  /** By the kind of request. */
  readonly #restsUntil = new Map<string, number>();
  #reading: { readonly quota: Quota; readonly until: number } | undefined;

  constructor(authorizing: AuthorizingTransport, { user, origin, clock }: AccountSettings) {
    this.user = user;
    this.#authorizing = authorizing;
    this.#origin = origin.origin;
    this.#clock = clock;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    if (request.url.origin !== this.#origin) return await this.#authorizing.send(request);
    const kind = requestKind(request);
    try {
      const response = await this.#authorizing.send(request);
      if (isManifestKind(kind)) this.#read(response);
      if (response.status === 429) this.#rest(kind, limitedMs(response.headers, this.#clock.now()));
      return response;
    } catch (error) {
      if (isLimit(error)) this.#rest(kind, retryAfterMs(error.headers['Retry-After'], this.#clock.now()));
      throw error;
    }
  }

  /** As it was last told; undefined: never, or so long ago that its window is over. */
  get quota(): Quota | undefined {
    const reading = this.#reading;
    return reading !== undefined && this.#clock.monotonic() < reading.until ? reading.quota : undefined;
  }

  /** Milliseconds that requests of this kind must still wait after a 429; 0: none. */
  restMs(kind: string): number {
    return Math.max(0, (this.#restsUntil.get(kind) ?? 0) - this.#clock.monotonic());
  }

  /** Were its user and password refused a moment ago, and not for others' repositories alone? */
  get isRefused(): boolean {
    return this.#authorizing.isRefused;
  }

  /** Was it refused for this a moment ago, so that it would be sent without user and password? */
  isRefusedFor({ scope = Scope.none }: TransportRequest): boolean {
    return this.#authorizing.isRefusedFor(scope);
  }

  /** Could it send this without asking for a token? */
  isReadyFor({ scope }: TransportRequest): boolean {
    return scope !== undefined && this.#authorizing.holdsToken(scope);
  }

  /** What was had with the credential for this does not count any more. */
  presentAnew(scope: Scope): void {
    this.#authorizing.presentAnew(scope);
  }

  #read({ headers }: TransportResponse): void {
    const quota = quotaIn(headers);
    if (quota !== undefined) this.#reading = { quota, until: this.#clock.monotonic() + quota.windowMs };
  }

  #rest(kind: string, milliseconds = unsaidMs): void {
    this.#restsUntil.set(kind, this.#clock.monotonic() + milliseconds);
  }
}

/** The token server's, for one. */
export function isLimit(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.code === 'TOOMANYREQUESTS';
}
