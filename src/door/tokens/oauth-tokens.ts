import { randomUUID } from 'node:crypto';
import { type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../../base/clock.ts';
import type { Known } from '../identity/proof.ts';
import { grantedTo } from './client-scopes.ts';
import type { MadeToken, SignedTokens } from './signed-tokens.ts';

/** What is in a token for a program: its name, and what it may be used for. */
export interface ClientToken {
  readonly client: string;
  readonly scopes: readonly string[];
}

/** Access tokens of OAuth2 for programs, in either way to sign them. */
export interface OAuthTokens {
  make(what: ClientToken): Promise<MadeToken>;
  /** Rejects with what `jose` says. */
  verify(token: string): Promise<JWTPayload>;
}

interface SharedSecretSettings {
  readonly secret: Uint8Array;
  readonly issuer: string;
  readonly lifeMs: number;
  readonly clock: Clock;
}

/** Signed with a secret that whoever checks them has too (HS256). `aud` is the client, as the proxies that share such a secret expect it. */
export class SharedSecretTokens implements OAuthTokens {
  readonly #settings: SharedSecretSettings;

  constructor(settings: SharedSecretSettings) {
    this.#settings = settings;
  }

  async make({ client, scopes }: ClientToken): Promise<MadeToken> {
    const { secret, issuer, lifeMs, clock } = this.#settings;
    const issuedAt = Math.floor(clock.now() / 1000);
    const expiresIn = Math.floor(lifeMs / 1000);
    const times = { exp: issuedAt + expiresIn, nbf: issuedAt, iat: issuedAt };
    const claims = { iss: issuer, sub: client, aud: client, ...claimsOf({ client, scopes }) };
    const token = await new SignJWT({ ...claims, ...times, jti: randomUUID() })
      .setProtectedHeader({ typ: 'JWT', alg: 'HS256' })
      .sign(secret);
    return { token, issuedAt, expiresIn };
  }

  async verify(token: string): Promise<JWTPayload> {
    const { secret, issuer, clock } = this.#settings;
    const currentDate = new Date(clock.now());
    const { payload } = await jwtVerify(token, secret, {
      ...{
        algorithms: ['HS256'],
        issuer,
        typ: 'JWT',
        currentDate,
        requiredClaims: ['sub', 'client_id', 'exp'],
      },
    });
    return payload;
  }
}

/** Signed by our keys (RFC 9068). */
export class KeySignedTokens implements OAuthTokens {
  readonly #tokens: SignedTokens;
  readonly #audience: string;
  readonly #lifeMs: number;

  constructor(tokens: SignedTokens, audience: string, lifeMs: number) {
    this.#tokens = tokens;
    this.#audience = audience;
    this.#lifeMs = lifeMs;
  }

  async make(what: ClientToken): Promise<MadeToken> {
    const claims = { sub: what.client, aud: this.#audience, ...claimsOf(what) };
    return await this.#tokens.make('at+jwt', claims, this.#lifeMs);
  }

  async verify(token: string): Promise<JWTPayload> {
    return await this.#tokens.verify('at+jwt', token, this.#audience);
  }
}

/** Who shows it, with what he may still have of its scope. `scopesOf`: those that are configured. Undefined: the client is not there any more. */
export function clientIn(
  payload: JWTPayload,
  scopesOf: (id: string) => readonly string[] | undefined,
): Known | undefined {
  const { sub, client_id: id, scope } = payload;
  if (typeof id !== 'string' || id !== sub) return undefined;
  const configured = scopesOf(id);
  if (configured === undefined) return undefined;
  const granted = grantedTo(configured, wordsOf(scope));
  return { id, by: 'clientToken', groups: [], ...(granted !== undefined && { granted }) };
}

function wordsOf(scope: unknown): readonly string[] {
  return typeof scope === 'string' ? scope.split(/\s+/).filter((word) => word !== '') : [];
}

function claimsOf({ client, scopes }: ClientToken): { client_id: string; scope?: string } {
  return { client_id: client, ...(scopes.length > 0 && { scope: scopes.join(' ') }) };
}
