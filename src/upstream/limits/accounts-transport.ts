import type { OnOddity } from '../../net/oddity.ts';
import { isManifestKind, requestKind } from '../../net/request-kind.ts';
import type { Transport, TransportRequest, TransportResponse } from '../../net/transport.ts';
import { RegistryError } from '../../oci/error.ts';
import { type Account, isLimit } from './account.ts';

export interface AccountsSettings {
  /** The registry's: requests elsewhere, by redirects, carry no credential and need no choice. */
  readonly origin: URL;
  readonly onOddity: OnOddity;
}

/** `limited`: by a 429. `refused`: not the account for this, or not with this password. */
type Verdict = 'final' | 'limited' | 'refused';
type Outcome =
  | { readonly verdict: Verdict; readonly response: TransportResponse }
  | { readonly verdict: Verdict; readonly error: unknown };

/**
 * Several accounts as one: each request goes with the one that has most left of its quota. One that is limited, or may not
 * read this, is followed by the next. A 429 is the answer only when all are limited, with the time until the first is not.
 */
export class AccountsTransport implements Transport {
  /** Not empty. */
  readonly #accounts: readonly [Account, ...Account[]];
  readonly #settings: AccountsSettings;
  /** Those whose password was refused and has not been taken since. */
  readonly #refused = new Set<Account>();

  constructor(accounts: readonly [Account, ...Account[]], settings: AccountsSettings) {
    this.#accounts = accounts;
    this.#settings = settings;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    if (request.url.origin !== this.#settings.origin.origin) return await this.#accounts[0].send(request);
    const kind = requestKind(request);
    const untried = new Set<Account>(this.#accounts);
    let kept: Outcome | undefined;
    for (;;) {
      const account = this.#choose(request, kind, untried);
      if (account === undefined) return await this.#settle(request, kind, kept);
      untried.delete(account);
      const outcome = await attempt(account, request);
      this.#note(account, outcome);
      if (outcome.verdict === 'final') return given(outcome);
      kept = await this.#keep(kept, outcome);
    }
  }

  /** Undefined: each one has had its turn or rests. */
  #choose(request: TransportRequest, kind: string, untried: ReadonlySet<Account>): Account | undefined {
    const open = [...untried].filter((account) => account.restMs(kind) === 0);
    const able = open.filter((account) => !account.isRefusedFor(request));
    // Who was refused for this a moment ago has its turn last: it may have another password by now.
    if (able.length === 0) return open[0];
    // Only manifests count: for the rest one that has a token already spares the token server a request.
    const ready = isManifestKind(kind) ? undefined : able.find((account) => account.isReadyFor(request));
    return ready ?? able.reduce<Account | undefined>(richer, undefined);
  }

  /** Of two outcomes the refusal: the limit of another account is none on what was asked for. */
  async #keep(kept: Outcome | undefined, outcome: Outcome): Promise<Outcome> {
    const [better, other] = kept?.verdict === 'refused' ? [kept, outcome] : [outcome, kept];
    await discard(other);
    return better;
  }

  /** Limited are all only when all are whose password may be right: a limit stops whatever else is asked for, too. */
  async #settle(
    { url }: TransportRequest,
    kind: string,
    kept: Outcome | undefined,
  ): Promise<TransportResponse> {
    const right = this.#accounts.filter(({ isRefused }) => !isRefused);
    const restMs = Math.min(...(right.length === 0 ? this.#accounts : right).map((it) => it.restMs(kind)));
    if (kept !== undefined && restMs === 0) return given(kept);
    const seconds = String(Math.ceil(restMs / 1000));
    if (kept?.verdict === 'limited' && 'response' in kept) return limited(kept.response, seconds);
    await discard(kept);
    throw new RegistryError('TOOMANYREQUESTS', `${url.origin} limits requests of all accounts`, {
      headers: { 'Retry-After': seconds },
      cause: kept !== undefined && 'error' in kept ? kept.error : undefined,
    });
  }

  /** Says once that an account is refused, until it is taken again. */
  #note(account: Account, outcome: Outcome): void {
    if (!account.isRefused) {
      if (outcome.verdict === 'final' && 'response' in outcome) this.#refused.delete(account);
    } else if (!this.#refused.has(account)) {
      this.#refused.add(account);
      const message = 'user and password of an account are refused: the others go on';
      this.#settings.onOddity(message, { user: account.user }, 'error');
    }
  }
}

/** The one with more left, the first of equals; what is not known, or not limited, is more than any number. */
function richer(best: Account | undefined, account: Account): Account {
  return best === undefined || leftOf(account) > leftOf(best) ? account : best;
}

function leftOf({ quota }: Account): number {
  return quota?.remaining ?? Number.POSITIVE_INFINITY;
}

async function attempt(account: Account, request: TransportRequest): Promise<Outcome> {
  try {
    const response = await account.send(request);
    const { status } = response;
    return { verdict: status === 429 ? 'limited' : isRefusal(status) ? 'refused' : 'final', response };
  } catch (error) {
    if (isLimit(error)) return { verdict: 'limited', error };
    const isDenied = error instanceof RegistryError && error.code === 'DENIED';
    return { verdict: isDenied ? 'refused' : 'final', error };
  }
}

function isRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

function given(outcome: Outcome): TransportResponse {
  if ('response' in outcome) return outcome.response;
  throw outcome.error;
}

async function discard(outcome: Outcome | undefined): Promise<void> {
  if (outcome !== undefined && 'response' in outcome) await outcome.response[Symbol.asyncDispose]();
}

/** The last account's answer, with the first one's time. */
function limited(response: TransportResponse, seconds: string): TransportResponse {
  return { ...response, headers: { ...response.headers, 'retry-after': seconds } };
}
