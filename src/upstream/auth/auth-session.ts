import { abortable } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';
import {
  basicHeaderOf,
  type Credential,
  type CredentialProvider,
  userOf,
} from '../../credentials/credentials.ts';
import { asWhom, identityOf } from '../../credentials/identity.ts';
import type { OnOddity } from '../../net/oddity.ts';
import type { Challenge } from '../../oci/challenge.ts';
import { RegistryError } from '../../oci/error.ts';
import { Scope } from '../../oci/scope.ts';
import { own, worded } from '../../oci/wording.ts';
import { CredentialVerdicts } from './credential-verdicts.ts';
import { type Doubt, PasswordTrials, type Trial } from './password-trials.ts';
import { type Realm, resolveRealm } from './realm.ts';
import { type Token, TokenCache } from './token-cache.ts';
import type { TokenClient, TokenGrant, TokenRefusal, TokenRequest } from './token-client.ts';
import { isRefused, refusalError } from './token-refusal.ts';
import { withoutCredential } from './without-credential.ts';

export interface AuthSettings {
  readonly credentials: CredentialProvider;
  readonly tokenClient: TokenClient;
  readonly clock: Clock;
  /** Hosts or origins of token servers; empty is any. */
  readonly trustedRealms: readonly string[];
  /** Told when the credential is refused, and taken again. Default: nobody is. */
  readonly onOddity?: OnOddity | undefined;
}

/** What a token is wanted for. */
export interface TokenNeed {
  readonly challenge: Challenge;
  readonly required: Scope;
  readonly requestUrl: URL;
  /** The token that was had did not do: ask for what the challenge says, and nothing else, first. */
  readonly challengeFirst: boolean;
  readonly signal: AbortSignal | undefined;
}

interface Password {
  /** Whose they are: there may be another credential by the time that they are sent, or refused. */
  readonly credential: Credential;
  readonly header: string;
  readonly trial: Trial;
}

type ScopeMode = 'union' | 'challenge' | 'required';

/** How long a token server is remembered to take user and password from a form alone. */
const postsPasswordMs = 3_600_000;

/** What is known about authorisation at one origin, for as long as the process lives. */
export class AuthSession {
  readonly tokens: TokenCache;
  readonly verdicts: CredentialVerdicts;
  /** The kind of challenge that was last answered. */
  scheme: 'basic' | 'bearer' | undefined;
  readonly #settings: AuthSettings;
  #lastBearer: Challenge | undefined;
  #credential: Credential | undefined;
  /** Given by a token server together with an access token, and good at that server alone. */
  #learned: { readonly refreshToken: string; readonly source: string } | undefined;
  #passwords: PasswordTrials;
  #postsPassword: { readonly source: string; readonly until: number } | undefined;
  #scopeMode: ScopeMode = 'union';

  constructor(settings: AuthSettings) {
    this.#settings = settings;
    this.tokens = new TokenCache(settings.clock);
    this.#passwords = new PasswordTrials(settings.clock);
    this.verdicts = new CredentialVerdicts(settings.onOddity ?? (() => {}), settings.clock);
  }

  /** Today's credential; another than yesterday's drops what was had with the old. */
  async credential(signal: AbortSignal | undefined): Promise<Credential> {
    const { credential } = await this.#settings.credentials.get({ signal }).catch((error: unknown) => {
      throw error === signal?.reason ? error : withoutCredential(error);
    });
    if (this.#credential !== undefined && this.#credential !== credential) this.#forget();
    this.#credential = credential;
    return credential;
  }

  /** The refresh token that a token server gave. Secret. */
  get learnedSecrets(): string[] {
    return this.#learned === undefined ? [] : [this.#learned.refreshToken];
  }

  /** The credential was refused: is there another now? */
  async renew(refused: Credential, signal: AbortSignal | undefined): Promise<boolean> {
    const { credentials } = this.#settings;
    if (credentials.renew === undefined || !(await credentials.renew(refused, { signal }))) return false;
    return (await this.credential(signal)) !== refused;
  }

  /** Forgets what was had with the credential for this. What is under way with it goes on. */
  presentAnew(scope: Scope): void {
    for (let token = this.tokens.find(scope); token !== undefined; token = this.tokens.find(scope))
      this.tokens.drop(token.value);
    this.#learned = undefined;
  }

  /** User and password as a header for the registry; undefined where there are none, or they may not be sent for this scope now. */
  async tryPassword(scope: Scope, signal: AbortSignal | undefined): Promise<Password | undefined> {
    const credential = this.#credential;
    const header = credential && basicHeaderOf(credential);
    if (credential === undefined || header === undefined) return undefined;
    const trial = await this.#passwords.begin(scope, signal);
    return trial && { credential, header, trial };
  }

  /** Were user and password refused a moment ago, and not for others' repositories alone? */
  get isRefused(): boolean {
    return this.#passwords.areWrong;
  }

  /** Is there no token for this, and may user and password not be sent for it now? */
  isRefusedFor(scope: Scope): boolean {
    return this.#passwords.rests(scope) && this.tokens.find(scope) === undefined;
  }

  /** The challenge by which a refresh token can be exchanged before the registry asks again. */
  get bearerWithRefreshToken(): Challenge | undefined {
    const challenge = this.#lastBearer;
    if (this.scheme !== 'bearer' || challenge === undefined) return undefined;
    return this.#refreshTokenFor(challenge, this.#credential) === undefined ? undefined : challenge;
  }

  /**
   * A token by a Bearer challenge: a cached one, one that is on its way, or a new one. Throws TOOMANYREQUESTS,
   * UNAVAILABLE or DENIED: whatever a token server answers says nothing about the image.
   */
  async acquire(need: TokenNeed): Promise<{ token: Token; fresh: boolean }> {
    const { challenge, required, requestUrl, signal } = need;
    const realm = resolveRealm(challenge.params['realm'] ?? '', requestUrl, this.#settings.trustedRealms);
    const wanted = Scope.parse(challenge.params['scope'] ?? '').union(required);
    this.scheme = 'bearer';
    this.#lastBearer = challenge;
    const cached = this.tokens.find(wanted);
    if (cached !== undefined) return { token: cached, fresh: false };
    const key = [sourceOf(challenge), wanted, need.challengeFirst].join('\n');
    const token = this.tokens.fetch(key, () => this.#fetch(need, realm));
    return { token: await abortable(token, signal), fresh: true };
  }

  #refreshTokenFor(challenge: Challenge, credential: Credential | undefined): string | undefined {
    if (credential?.kind === 'refresh') return credential.token;
    if (credential !== this.#credential) return undefined;
    return this.#learned?.source === sourceOf(challenge) ? this.#learned.refreshToken : undefined;
  }

  async #fetch(need: TokenNeed, realm: Realm): Promise<Token> {
    const credential = realm.takesCredentials ? this.#credential : undefined;
    const header = credential && basicHeaderOf(credential);
    if (credential === undefined || header === undefined)
      return await this.#fetchWith(need, realm, credential);
    using trial = await this.#passwords.begin(passwordScope(need), undefined);
    if (trial !== undefined) return await this.#fetchWith(need, realm, credential, { header, trial });
    const whose = own(`${identityOf(credential)} and password`, 'the configured user and password');
    throw new RegistryError('DENIED', worded`${whose} were refused by ${realm.url.host} a moment ago`);
  }

  /** All with this credential, though there may be another meanwhile: it is the one that is in question when it is refused. */
  async #fetchWith(
    need: TokenNeed,
    realm: Realm,
    credential: Credential | undefined,
    password?: Omit<Password, 'credential'>,
  ): Promise<Token> {
    const { challenge, required, challengeFirst } = need;
    const offered = Scope.parse(challenge.params['scope'] ?? '');
    let refusal: TokenRefusal | undefined;
    for (const [mode, scope] of this.#attempts(offered, required, challengeFirst)) {
      const answer = await this.#ask(challenge, credential, {
        realm: realm.url,
        service: challenge.params['service'],
        scopes: words(scope),
        authorization: password?.header,
        user: password && credential && userOf(credential),
        postsPassword: this.#isPostingPassword(challenge),
        refreshToken: credential && this.#refreshTokenFor(challenge, credential),
      });
      if (answer.kind === 'grant') {
        if (answer.by !== 'refresh') password?.trial.taken();
        if (credential !== undefined) this.verdicts.taken(credential);
        this.#scopeMode = mode;
        const covers = scope.union(offered).union(required);
        const { value, receivedAt, expiresAt } = answer;
        const source = sourceOf(challenge);
        return { value, asked: scope, covers, receivedAt, expiresAt, source, who: asWhom(credential) };
      }
      refusal = answer;
      if (!isRefused(answer)) break;
    }
    if (credential !== undefined && isRefused(refusal)) {
      if (await this.renew(credential, undefined)) return await this.#fetch(need, realm);
    }
    if (credential !== undefined && refusal !== undefined)
      this.verdicts.refused(credential, realm.url.host, doubtOf(credential, refusal, password?.trial));
    throw refusalError(realm.url, refusal, asWhom(credential), this.#settings.clock.now());
  }

  /** A refresh token that was refused, or whose answer was cut, is done without, unless it is all that we have. */
  async #ask(
    challenge: Challenge,
    credential: Credential | undefined,
    request: TokenRequest,
  ): Promise<TokenGrant | TokenRefusal> {
    const answer = await this.#settings.tokenClient.fetch(request).catch((error: unknown) => {
      // It may have been good once, and been taken.
      this.#unlearn(request);
      throw error;
    });
    if (answer.kind === 'grant') {
      // What was had with yesterday's credential is not today's.
      if (credential === undefined || credential === this.#credential)
        this.#learn(challenge, request, answer);
      return answer;
    }
    const isLearned = request.refreshToken !== undefined && credential?.kind !== 'refresh';
    const isUseless = answer.status < 300 || [400, 401].includes(answer.status);
    if (!isUseless || !isLearned) return answer;
    this.#unlearn(request);
    return await this.#ask(challenge, credential, { ...request, refreshToken: undefined });
  }

  #learn(challenge: Challenge, { postsPassword }: TokenRequest, { refreshToken, by }: TokenGrant): void {
    const source = sourceOf(challenge);
    if (refreshToken !== undefined) this.#learned = { refreshToken, source };
    if (by === 'get') this.#postsPassword = undefined;
    if (by !== 'password' || postsPassword) return;
    this.#postsPassword = { source, until: this.#settings.clock.monotonic() + postsPasswordMs };
  }

  #unlearn({ refreshToken }: TokenRequest): void {
    if (this.#learned?.refreshToken === refreshToken) this.#learned = undefined;
  }

  #isPostingPassword(challenge: Challenge): boolean {
    const known = this.#postsPassword;
    return known?.source === sourceOf(challenge) && this.#settings.clock.monotonic() < known.until;
  }

  /** The scopes to ask for, each once: what did last time, then the others. A challenge may name none (JFrog, GCR). */
  #attempts(offered: Scope, required: Scope, challengeFirst: boolean): [ScopeMode, Scope][] {
    const scopes = {
      union: offered.union(required),
      challenge: offered.isEmpty ? required : offered,
      required,
    };
    const first: ScopeMode = challengeFirst ? 'challenge' : this.#scopeMode;
    const modes = [...new Set<ScopeMode>([first, 'union', 'challenge', 'required'])];
    const byText = new Map<string, [ScopeMode, Scope]>();
    for (const mode of modes) {
      const text = scopes[mode].toString();
      if (!byText.has(text)) byText.set(text, [mode, scopes[mode]]);
    }
    return [...byText.values()];
  }

  #forget(): void {
    this.tokens.clear();
    this.#learned = undefined;
    this.#passwords = new PasswordTrials(this.#settings.clock);
  }
}

/** To a refresh token 400 is `invalid_grant` as well (RFC 6749 section 5.2). */
function doubtOf({ kind }: Credential, { status }: TokenRefusal, trial: Trial | undefined): Doubt {
  if (kind === 'refresh') return status === 400 || status === 401 ? 'wrong' : 'none';
  return (status === 401 && trial?.refused()) || 'none';
}

/** Where a challenge sends for tokens, to tell one from another. */
export function sourceOf({ params }: Challenge): string {
  return `${params['realm'] ?? ''}\n${params['service'] ?? ''}`;
}

/** What a password is sent for: the repository, or what the registry asks for where the request is about none. */
function passwordScope({ required, challenge }: TokenNeed): Scope {
  return required.isEmpty ? Scope.parse(challenge.params['scope'] ?? '') : required;
}

function words(scope: Scope): string[] {
  return scope
    .toString()
    .split(/\s+/)
    .filter((word) => word !== '');
}
