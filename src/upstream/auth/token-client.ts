import type { Clock } from '../../clock.ts';
import { RegistryError } from '../../oci/error.ts';
import { readBody } from '../body.ts';
import { jsonObject } from '../json-object.ts';
import type { Transport, TransportRequest, TransportResponse } from '../transport.ts';

export interface TokenRequest {
  readonly realm: URL;
  readonly service: string | undefined;
  /** One word for each resource, letter by letter. */
  readonly scopes: readonly string[];
  /** The Basic header, if there are user and password for this realm. */
  readonly authorization: string | undefined;
  readonly refreshToken: string | undefined;
}

/** What a token server gave. Times in milliseconds since the epoch. */
export interface TokenGrant {
  readonly kind: 'grant';
  readonly value: string;
  readonly receivedAt: number;
  readonly expiresAt: number;
  readonly refreshToken: string | undefined;
}

/** An answer that is no token. Status 200: its body was none. */
export interface TokenRefusal {
  readonly kind: 'refusal';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

const maxBodyBytes = 128 * 1024;
/** What a token lives by the specification if nothing is said (distribution, "Token Response Fields"). */
const defaultLifeMs = 60_000;
const clientId = 'ociregistry';

/** Asks token servers by the distribution project's protocols: GET, and POST for refresh tokens (OAuth2). */
export class TokenClient {
  readonly #transport: Transport;
  readonly #clock: Clock;

  constructor({ transport, clock }: { transport: Transport; clock: Clock }) {
    this.#transport = transport;
    this.#clock = clock;
  }

  /** Throws what the transport throws. Servers without OAuth2 have no POST: they are asked by GET then. */
  async fetch(request: TokenRequest): Promise<TokenGrant | TokenRefusal> {
    if (request.refreshToken === undefined) return this.#send(getRequest(request));
    const answer = await this.#send(refreshRequest(request, request.refreshToken));
    return answer.kind === 'refusal' && [404, 405].includes(answer.status)
      ? this.#send(getRequest(request))
      : answer;
  }

  async #send(request: TransportRequest): Promise<TokenGrant | TokenRefusal> {
    await using response = await this.#transport.send(request).catch(rethrow);
    const refusal = { kind: 'refusal', status: response.status, headers: response.headers } as const;
    return response.status === 200 ? ((await this.#grant(response)) ?? refusal) : refusal;
  }

  async #grant(response: TransportResponse): Promise<TokenGrant | undefined> {
    const body = await readBody(response, { maxBytes: maxBodyBytes, what: 'token answer' });
    const json = jsonObject(body.toString('utf8')) ?? {};
    const value = tokenText(json['token']) ?? tokenText(json['access_token']);
    if (value === undefined) return undefined;
    const receivedAt = this.#clock.now();
    const expiresAt = receivedAt + lifeMs(json['expires_in']);
    return { kind: 'grant', value, receivedAt, expiresAt, refreshToken: tokenText(json['refresh_token']) };
  }
}

/** Whoever asked for the token would take a failed connection for their own and try again, as was done here already. */
function rethrow(error: unknown): never {
  if (!(error instanceof RegistryError)) throw error;
  const { code, message, status, headers } = error;
  throw new RegistryError(code, message, { status, headers, cause: error });
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

function refreshRequest({ realm, service, scopes }: TokenRequest, refreshToken: string): TransportRequest {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: clientId,
    refresh_token: refreshToken,
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
