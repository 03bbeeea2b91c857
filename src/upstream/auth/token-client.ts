import type { Clock } from '../../base/clock.ts';
import type { UserAndPassword } from '../../credentials/credentials.ts';
import type { Transport, TransportRequest } from '../../net/transport.ts';
import { RegistryError } from '../../oci/error.ts';
import { NoAnswer } from '../../oci/no-answer.ts';
import { maxBodyBytes, readTokenAnswer } from './token-answer.ts';

export interface TokenRequest {
  readonly realm: URL;
  readonly service: string | undefined;
  /** One word for each resource, letter by letter. */
  readonly scopes: readonly string[];
  /** The Basic header, if there are user and password for this realm. */
  readonly authorization: string | undefined;
  /** Who that header is about, for servers that want them in a form. */
  readonly user: UserAndPassword | undefined;
  /** This server is known to want the form. */
  readonly postsPassword: boolean;
  readonly refreshToken: string | undefined;
}

/** What a token server gave. Times in milliseconds of {@link Clock.monotonic}. */
export interface TokenGrant {
  readonly kind: 'grant';
  readonly value: string;
  readonly receivedAt: number;
  readonly expiresAt: number;
  readonly refreshToken: string | undefined;
  /** What the server took: a refresh token, a GET, or user and password in a form. */
  readonly by: Way;
}

type Way = 'refresh' | 'get' | 'password';

/** An answer that is no token. A status below 300: its body was none. */
export interface TokenRefusal {
  readonly kind: 'refusal';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** What it is taken for if it is cut again. */
interface CutAnswer {
  readonly kind: 'cut';
  readonly refusal: TokenRefusal;
}

/** What a token lives by the specification if nothing is said (distribution, "Token Response Fields"). */
const defaultLifeMs = 60_000;
const clientId = 'ociregistry';

/**
 * Asks token servers by the distribution project's protocols: GET, which every known registry has, and POST (OAuth2) for
 * refresh tokens, and for user and password where there is no GET.
 */
export class TokenClient {
  readonly #transport: Transport;
  readonly #clock: Clock;

  constructor({ transport, clock }: { transport: Transport; clock: Clock }) {
    this.#transport = transport;
    this.#clock = clock;
  }

  /** Throws UNAVAILABLE where there is no answer, DENIED for one that cannot be used. */
  async fetch(request: TokenRequest): Promise<TokenGrant | TokenRefusal> {
    if (request.refreshToken !== undefined) {
      const answer = await this.#send('refresh', refreshRequest(request, request.refreshToken));
      if (!isUnsupported(answer)) return answer;
    }
    const [first, second] = request.postsPassword ? [this.#post, this.#get] : [this.#get, this.#post];
    const answer = await first.call(this, request);
    return request.user !== undefined && isUnsupported(answer) ? await second.call(this, request) : answer;
  }

  async #get(request: TokenRequest): Promise<TokenGrant | TokenRefusal> {
    return await this.#send('get', getRequest(request));
  }

  async #post(request: TokenRequest): Promise<TokenGrant | TokenRefusal> {
    return await this.#send('password', passwordRequest(request));
  }

  async #send(by: Way, request: TransportRequest): Promise<TokenGrant | TokenRefusal> {
    try {
      const answer = await this.#try(by, request);
      if (answer.kind !== 'cut') return answer;
      if (request.once === true) return answer.refusal;
      const second = await this.#try(by, request);
      return second.kind === 'cut' ? second.refusal : second;
    } catch (error) {
      throw error instanceof RegistryError ? failure(error) : error;
    }
  }

  async #try(by: Way, request: TransportRequest): Promise<TokenGrant | TokenRefusal | CutAnswer> {
    await using response = await this.#transport.send({ ...request, maxBodyBytes });
    const { status, headers } = response;
    const refusal = { kind: 'refusal', status, headers } as const;
    if (status < 200 || status > 299) return refusal;
    const answer = await readTokenAnswer(response);
    if (answer.kind === 'cut') return { ...answer, refusal };
    return this.#grant(by, answer.fields) ?? refusal;
  }

  #grant(by: Way, fields: Readonly<Record<string, unknown>>): TokenGrant | undefined {
    const value = tokenText(fields['token']) ?? tokenText(fields['access_token']);
    if (value === undefined) return undefined;
    const receivedAt = this.#clock.monotonic();
    const expiresAt = receivedAt + lifeMs(fields['expires_in']);
    const refreshToken = tokenText(fields['refresh_token']);
    return { kind: 'grant', value, receivedAt, expiresAt, refreshToken, by };
  }
}

/** The method is not there: OAuth2 is no part of most token servers, and a few have nothing else. */
function isUnsupported(answer: TokenGrant | TokenRefusal): boolean {
  return answer.kind === 'refusal' && [404, 405].includes(answer.status);
}

/**
 * No answer stays what it is, one level down: whoever asked for the token would take a failed connection for their own and try
 * again, as was done here already, or take the registry for silent. An answer that is useless (endless, a circle of
 * redirects) is a token denied.
 */
function failure(error: RegistryError): RegistryError {
  const { code, wording, status, headers } = error;
  const isAnswer = code === 'UNAVAILABLE' && status === 502 && !(error instanceof NoAnswer);
  return isAnswer
    ? new RegistryError('DENIED', wording, { cause: error })
    : new RegistryError(code, wording, { status, headers, cause: error });
}

/** The realm's own query stays as it is; no parameter is sent empty. */
function getRequest({ realm, service, scopes, authorization }: TokenRequest): TransportRequest {
  const url = new URL(realm);
  const known = new Set(url.searchParams.getAll('scope'));
  const added = new URLSearchParams();
  for (const scope of scopes) if (!known.has(scope)) added.append('scope', scope);
  if (service) added.set('service', service);
  url.search = [url.search.replace(/^\?/, ''), added.toString()].filter((part) => part !== '').join('&');
  return { method: 'GET', url, headers: authorization === undefined ? {} : { authorization } };
}

/** A server may give another with each answer, and take who sends the old one again for a thief (RFC 6749 section 10.4). */
function refreshRequest(request: TokenRequest, refreshToken: string): TransportRequest {
  return {
    ...postRequest(request, { grant_type: 'refresh_token', refresh_token: refreshToken }),
    once: true,
  };
}

/** Never with `access_type`: it would ask for a refresh token, and some servers give one that is good for nothing. */
function passwordRequest(request: TokenRequest): TransportRequest {
  const { username = '', password = '' } = request.user ?? {};
  return postRequest(request, { grant_type: 'password', username, password });
}

/** No parameter is sent empty; all scopes are in one (distribution, "OAuth2 Token Authentication"). */
function postRequest(
  { realm, service, scopes }: TokenRequest,
  grant: Readonly<Record<string, string>>,
): TransportRequest {
  const form = new URLSearchParams({
    ...grant,
    client_id: clientId,
    ...(service ? { service } : {}),
    ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
  });
  return {
    method: 'POST',
    url: realm,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  };
}

/** Fit for a header. */
function tokenText(value: unknown): string | undefined {
  return typeof value === 'string' && /^[!-~]+$/.test(value) ? value : undefined;
}

/** Some servers send a number as text; `issued_at` is ignored, since clocks differ. */
function lifeMs(expiresIn: unknown): number {
  const seconds = typeof expiresIn === 'string' && expiresIn.trim() !== '' ? Number(expiresIn) : expiresIn;
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0
    ? seconds * 1000
    : defaultLifeMs;
}
