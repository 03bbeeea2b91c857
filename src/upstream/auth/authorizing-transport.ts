import { LRUCache } from 'lru-cache';
import { abortable } from '../../base/abortable.ts';
import { anonymous, type CredentialProvider, staticCredentials } from '../../credentials/credentials.ts';
import {
  confiding,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from '../../net/transport.ts';
import { RegistryError } from '../../oci/error.ts';
import { AfterAnswer, NoAnswer } from '../../oci/no-answer.ts';
import type { Scope } from '../../oci/scope.ts';
import { AuthSession, type AuthSettings } from './auth-session.ts';
import { type Authorization, Exchange } from './exchange.ts';
import { refusalIn } from './refusal.ts';
import { withoutCredential } from './without-credential.ts';

export interface AuthorizingSettings extends AuthSettings {
  /** Where the credential belongs. Any other origin is met as a stranger, with a state of its own. */
  readonly origin: URL;
}

/** One more than a stale token, a bare request and a fresh token take: both schemes may have been offered. */
const maxSends = 4;
const maxStrangers = 32;

/**
 * Answers challenges (RFC 9110 section 11, distribution "Token Authentication"). To wrap inside of redirects: each
 * hop is an exchange of its own. A refusal that stays is returned as it is, or thrown as DENIED.
 */
export class AuthorizingTransport implements Transport {
  readonly #next: Transport;
  readonly #settings: AuthorizingSettings;
  /** One for each identity: what was had with one is never sent for another. */
  readonly #own = new WeakMap<CredentialProvider, AuthSession>();
  readonly #strangers = new LRUCache<string, AuthSession>({ max: maxStrangers });

  constructor(next: Transport, settings: AuthorizingSettings) {
    this.#next = next;
    this.#settings = settings;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const unasked = (error: unknown): never => {
      throw notAsked(request.url, error);
    };
    using exchange = new Exchange(await this.#session(request).catch(unasked), request);
    let authorization = await exchange.first().catch(unasked);
    for (let sends = 1; ; sends++) {
      const answer = await this.#next.send(authorized(request, authorization));
      if (sends === maxSends) return this.#confiding(answer, exchange);
      const { refused, response } = exchange.sentCredential
        ? await refusalIn(request, answer)
        : { refused: false, response: answer };
      const next = await nextOf(exchange, response, refused);
      if (next === undefined) {
        exchange.judgeReady(response.status, refused);
        return this.#confiding(response, exchange);
      }
      await response[Symbol.asyncDispose]();
      if (next.kind === 'bearer' && next.after !== undefined) await abortable(next.after, request.signal);
      authorization = next;
    }
  }

  /** Were user and password, if all repositories share them, refused at their origin a moment ago, and not for others' alone? */
  get isRefused(): boolean {
    return this.#own.get(this.#settings.credentials)?.isRefused === true;
  }

  /** Can nothing be sent for this at their origin but what anybody may send, if all repositories share an identity? */
  isRefusedFor(scope: Scope): boolean {
    return this.#own.get(this.#settings.credentials)?.isRefusedFor(scope) === true;
  }

  /** Is there a token for this at its origin, if all repositories share an identity? */
  holdsToken(scope: Scope): boolean {
    return this.#own.get(this.#settings.credentials)?.tokens.find(scope) !== undefined;
  }

  /** The next request for this at their origin shows the credential itself, if all repositories share one. */
  presentAnew(scope: Scope): void {
    this.#own.get(this.#settings.credentials)?.presentAnew(scope);
  }

  /** Elsewhere nobody expects us to be anybody: a signed URL is what opens a store. */
  #confiding(response: TransportResponse, exchange: Exchange): TransportResponse {
    if (response.status < 400) return response;
    const isOwn = response.url.origin === this.#settings.origin.origin;
    return confiding(response, () => exchange.secrets, isOwn ? exchange.who : undefined);
  }

  async #session({ url, repository = '' }: TransportRequest): Promise<AuthSession> {
    if (url.origin !== this.#settings.origin.origin) return this.#stranger(url);
    const { credentials } = this.#settings;
    const identity =
      (await credentials.of?.(repository).catch((error: unknown) => {
        throw withoutCredential(error);
      })) ?? credentials;
    const known = this.#own.get(identity);
    if (known !== undefined) return known;
    const session = new AuthSession({ ...this.#settings, credentials: identity });
    this.#own.set(identity, session);
    return session;
  }

  #stranger(url: URL): AuthSession {
    const known = this.#strangers.get(url.origin);
    if (known !== undefined) return known;
    const session = new AuthSession({
      ...this.#settings,
      credentials: staticCredentials(anonymous),
      trustedRealms: [],
    });
    this.#strangers.set(url.origin, session);
    return session;
  }
}

/** The token server or whoever has the credential gave nothing, and so nothing was sent. */
function notAsked(url: URL, error: unknown): unknown {
  if (!(error instanceof RegistryError) || error instanceof NoAnswer || error.code !== 'UNAVAILABLE')
    return error;
  return new NoAnswer(url, 'nothing', error.wording, error);
}

/** What is wrong here may be the password, its rest, or the token server: the registry has answered. */
async function nextOf(
  exchange: Exchange,
  response: TransportResponse,
  refused: boolean,
): Promise<Authorization | undefined> {
  try {
    return await exchange.next(response, refused);
  } catch (error) {
    await response[Symbol.asyncDispose]();
    const isOther = !(error instanceof RegistryError) || error instanceof NoAnswer;
    throw isOther ? error : new AfterAnswer(response.url, error);
  }
}

function authorized(request: TransportRequest, authorization: Authorization): TransportRequest {
  if (authorization.kind === 'none') return request;
  return { ...request, headers: { ...request.headers, authorization: authorization.header } };
}
