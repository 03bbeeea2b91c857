import { type Credential, secretsInHeader, secretsOf } from '../../credentials/credentials.ts';
import { asWhom, identityOf } from '../../credentials/identity.ts';
import type { TransportRequest, TransportResponse } from '../../net/transport.ts';
import { type Challenge, parseChallenges } from '../../oci/challenge.ts';
import { RegistryError } from '../../oci/error.ts';
import { Scope } from '../../oci/scope.ts';
import { own, type Wording, worded } from '../../oci/wording.ts';
import { type AuthSession, sourceOf } from './auth-session.ts';
import type { Trial } from './password-trials.ts';
import type { Token } from './token-cache.ts';

/** What one send carries. `fresh`: the token was fetched for this very request. */
export type Authorization =
  | { readonly kind: 'none' }
  | { readonly kind: 'static' | 'basic'; readonly header: string }
  | {
      readonly kind: 'bearer';
      readonly header: string;
      readonly token: Token;
      readonly fresh: boolean;
      /** To be waited for before it is sent. */
      readonly after?: Promise<void>;
    };

const none: Authorization = { kind: 'none' };

/** One request's way through a registry's challenges: what to send first, and what after each refusal. */
export class Exchange implements Disposable {
  readonly #session: AuthSession;
  readonly #request: TransportRequest;
  readonly #required: Scope;
  #sent: Authorization = none;
  #sentBare = false;
  #sentBasic = false;
  #widened = false;
  #credential: Credential | undefined;
  #renewed = false;
  /** Of the password that was sent last, while there is no answer. */
  #trial: Trial | undefined;

  constructor(session: AuthSession, request: TransportRequest) {
    this.#session = session;
    this.#request = request;
    this.#required = request.scope ?? Scope.none;
  }

  /** Nothing before the registry asked for it: a premature Basic header gets answers without a challenge. */
  async first(): Promise<Authorization> {
    const credential = await this.#session.credential(this.#request.signal);
    this.#credential = credential;
    return this.#sends(
      await this.#choose(credential.kind === 'static' ? credential.authorization : undefined),
    );
  }

  /** Was the credential itself sent, and not a token that was had with it? */
  get sentCredential(): boolean {
    return this.#sent.kind === 'static' || this.#sent.kind === 'basic';
  }

  /**
   * What to send again after this answer; `refused`: it refuses the credential. Undefined: the answer is final. Throws
   * DENIED for a fresh token refused.
   */
  async next(response: TransportResponse, refused: boolean): Promise<Authorization | undefined> {
    this.#judge(response);
    if (refused && (await this.#renews())) return await this.first();
    const challenges = parseChallenges(response.headers['www-authenticate']);
    const next = await this.#answer(response.status, challenges);
    return next === undefined ? undefined : this.#sends(next);
  }

  /** What was sent, and what it was had with. Secret. */
  get secrets(): string[] {
    const sent = this.#sent.kind === 'none' ? [] : secretsInHeader(this.#sent.header);
    const credential = this.#credential === undefined ? [] : secretsOf(this.#credential);
    return [...sent, ...credential, ...this.#session.learnedSecrets];
  }

  /** As whom all was sent in the end, for the end of a sentence. */
  get who(): Wording {
    const sent = this.#sent;
    if (sent.kind === 'bearer') return sent.token.who;
    if (sent.kind !== 'none' || this.#credential === undefined) return asWhom(this.#credential);
    const rests = this.#session.isRefusedFor(this.#required);
    if (!rests) return asWhom(undefined);
    const toOperator = `without ${identityOf(this.#credential)}, who was refused a moment ago`;
    return own(toOperator, 'without the configured credential, which was refused a moment ago');
  }

  /** The registry's last word: what it says of a ready header that it was sent. */
  judgeReady(status: number, refused: boolean): void {
    if (this.#sent.kind !== 'static' || this.#credential === undefined) return;
    const { verdicts } = this.#session;
    const scope = this.#required.toString();
    if (refused) verdicts.refusedReady(this.#credential, this.#request.url.host, scope);
    else if (status < 400) verdicts.takenReady(this.#credential, scope);
  }

  /** Nothing more will be sent. */
  [Symbol.dispose](): void {
    this.#trial?.[Symbol.dispose]();
    this.#trial = undefined;
  }

  /** What became of the password: an answer that is no success and no refusal says nothing of it. */
  #judge({ status, headers }: TransportResponse): void {
    using trial = this.#trial;
    this.#trial = undefined;
    if (trial === undefined || this.#credential === undefined) return;
    if (status < 400) {
      trial.taken();
      this.#session.verdicts.taken(this.#credential);
    }
    // Where a token is wanted besides, the token server has the last word.
    if (status !== 401 || parseChallenges(headers['www-authenticate']).some(isBearer)) return;
    this.#session.verdicts.refused(this.#credential, this.#request.url.host, trial.refused());
  }

  /** Once another credential can be had for the one that was refused, all begins anew. */
  async #renews(): Promise<boolean> {
    if (this.#credential === undefined || this.#renewed) return false;
    this.#renewed = true;
    return await this.#session.renew(this.#credential, this.#request.signal);
  }

  #sends(authorization: Authorization): Authorization {
    this.#sent = authorization;
    this.#sentBare ||= authorization.kind === 'none';
    this.#sentBasic ||= authorization.kind === 'basic';
    return authorization;
  }

  async #choose(staticHeader: string | undefined): Promise<Authorization> {
    const session = this.#session;
    const token = this.#request.scope === undefined ? undefined : session.tokens.find(this.#required);
    if (token !== undefined) return bearer(token, false);
    if (staticHeader !== undefined) return { kind: 'static', header: staticHeader };
    const challenge = session.bearerWithRefreshToken;
    if (challenge !== undefined) return this.#acquire(this.#withoutScope(challenge), false);
    return (session.scheme === 'basic' ? await this.#password() : undefined) ?? none;
  }

  async #password(): Promise<Authorization | undefined> {
    const password = await this.#session.tryPassword(this.#required, this.#request.signal);
    if (password === undefined) return undefined;
    this.#trial = password.trial;
    this.#credential = password.credential;
    return { kind: 'basic', header: password.header };
  }

  #answer(status: number, challenges: readonly Challenge[]): Promise<Authorization | undefined> {
    switch (status) {
      case 400:
        return this.#answerBadRequest();
      case 401:
        return this.#answerUnauthorized(challenges);
      case 403:
        return this.#answerForbidden(challenges);
      default:
        return Promise.resolve(undefined);
    }
  }

  /** ECR public says 400, without a challenge, to a token that has expired. */
  async #answerBadRequest(): Promise<Authorization | undefined> {
    if (this.#sent.kind !== 'bearer' || this.#sent.fresh) return undefined;
    this.#session.tokens.drop(this.#sent.token.value);
    return none;
  }

  /** A good token that reaches not far enough (RFC 6750 section 3.1): once more with what is asked for. */
  async #answerForbidden(challenges: readonly Challenge[]): Promise<Authorization | undefined> {
    const challenge = challenges.find(isBearer);
    if (this.#sent.kind !== 'bearer' || this.#widened) return undefined;
    if (challenge?.params['error'] !== 'insufficient_scope') return undefined;
    if (this.#sent.token.asked.contains(scopeOf(challenge))) return undefined;
    this.#widened = true;
    return this.#acquire(challenge, false);
  }

  async #answerUnauthorized(challenges: readonly Challenge[]): Promise<Authorization | undefined> {
    const challenge = challenges.find(isBearer);
    const basic = challenges.some(({ scheme }) => scheme === 'basic');
    const later = this.#onceMore(challenge);
    if (later !== undefined) return later;
    this.#refused();
    if (challenge === undefined && !basic) return this.#sentBare ? undefined : none;
    if (basic && !this.#sentBasic && this.#sent.kind !== 'static') {
      const password = await this.#password();
      if (password !== undefined) {
        this.#session.scheme = 'basic';
        return password;
      }
    }
    if (challenge === undefined) {
      return this.#sent.kind === 'bearer' && !this.#sentBare ? none : undefined;
    }
    return this.#answerBearer(challenge);
  }

  /** A token that is refused before it has ever been good may be so in a moment: the clocks of two servers differ. */
  #onceMore(challenge: Challenge | undefined): Authorization | undefined {
    const sent = this.#sent;
    if (challenge === undefined || sent.kind !== 'bearer' || sent.after !== undefined) return undefined;
    if (challenge.params['error'] === 'insufficient_scope') return undefined;
    if (!sent.token.asked.contains(scopeOf(challenge))) return undefined;
    const after = this.#session.tokens.secondChance(sent.token, sent.fresh);
    return after && { ...sent, fresh: true, after };
  }

  async #answerBearer(challenge: Challenge): Promise<Authorization | undefined> {
    if (this.#sent.kind !== 'bearer') return this.#acquire(challenge, false);
    if (this.#sent.fresh && this.#sent.token.asked.contains(scopeOf(challenge))) {
      const { host } = this.#request.url;
      const { who } = this.#sent.token;
      throw new RegistryError('DENIED', worded`${host} refused a token fetched just now, ${who}`);
    }
    const elsewhere = sourceOf(challenge) !== this.#sent.token.source;
    return elsewhere && !this.#sentBare ? none : this.#acquire(challenge, true);
  }

  #refused(): void {
    if (this.#sent.kind === 'bearer') this.#session.tokens.drop(this.#sent.token.value);
  }

  async #acquire(challenge: Challenge, challengeFirst: boolean): Promise<Authorization> {
    const { url: requestUrl, signal } = this.#request;
    const need = { challenge, required: this.#required, requestUrl, challengeFirst, signal };
    const { token, fresh } = await this.#session.acquire(need);
    return bearer(token, fresh);
  }

  /** An earlier challenge of another request: its scope is not ours. */
  #withoutScope({ scheme, params }: Challenge): Challenge {
    const { scope: _, ...rest } = params;
    return { scheme, params: rest };
  }
}

function bearer(token: Token, fresh: boolean): Authorization {
  return { kind: 'bearer', header: `Bearer ${token.value}`, token, fresh };
}

/** Without a realm there is no one to ask. */
function isBearer({ scheme, params }: Challenge): boolean {
  return scheme === 'bearer' && Boolean(params['realm']);
}

function scopeOf({ params }: Challenge): Scope {
  return Scope.parse(params['scope'] ?? '');
}
