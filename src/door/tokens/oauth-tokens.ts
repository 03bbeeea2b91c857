import { randomUUID } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../../base/clock.ts';
import type { Known } from '../identity/proof.ts';
import { grantedTo } from './client-scopes.ts';
import { clientStamp, type StampedClient, stampKeyOf } from './client-stamp.ts';
import type { MadeToken, SignedTokens, StampedPayload } from './signed-tokens.ts';

/** Of what a token for a program is made: who it is, and what the token may be used for. Secret. */
export interface ClientToken extends StampedClient {
  readonly scopes: readonly string[];
}

/** Access tokens of OAuth2 for programs, in either way to sign them. */
export interface OAuthTokens {
  make(what: ClientToken): Promise<MadeToken>;
  /** Rejects with what `jose` says. */
  verify(token: string): Promise<StampedPayload>;
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
  readonly #stampKey: Uint8Array;

  constructor(settings: SharedSecretSettings) {
    this.#settings = settings;
    this.#stampKey = stampKeyOf(settings.secret);
  }

  async make(what: ClientToken): Promise<MadeToken> {
    const { secret, issuer, lifeMs, clock } = this.#settings;
    const issuedAt = Math.floor(clock.now() / 1000);
    const expiresIn = Math.floor(lifeMs / 1000);
    const times = { exp: issuedAt + expiresIn, nbf: issuedAt, iat: issuedAt };
    const claims = { iss: issuer, sub: what.client, aud: what.client, ...claimsOf(what) };
    const stamp = clientStamp(this.#stampKey, what);
    const token = await new SignJWT({ ...claims, stamp, ...times, jti: randomUUID() })
      .setProtectedHeader({ typ: 'JWT', alg: 'HS256' })
      .sign(secret);
    return { token, issuedAt, expiresIn };
  }

  async verify(token: string): Promise<StampedPayload> {
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
    return { payload, stampOf: (client) => clientStamp(this.#stampKey, client) };
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
    return await this.#tokens.make('at+jwt', claims, this.#lifeMs, what);
  }

  async verify(token: string): Promise<StampedPayload> {
    return await this.#tokens.verifyStamped('at+jwt', token, this.#audience);
  }
}

/**
 * Who shows it, with what he may still have of its scope. `clientOf`: as it is configured. Undefined: the client is not there any more, or has another secret
 * than when he got it.
 */
export function clientIn(
  { payload, stampOf }: StampedPayload,
  clientOf: (id: string) => { readonly secret: string; readonly scopes: readonly string[] } | undefined,
): Known | undefined {
  const { sub, client_id: id, scope, stamp } = payload;
  if (typeof id !== 'string' || id !== sub) return undefined;
  const configured = clientOf(id);
  if (configured === undefined) return undefined;
  if (stamp === undefined || stamp !== stampOf({ client: id, secret: configured.secret })) return undefined;
  const granted = grantedTo(configured.scopes, wordsOf(scope));
  return { id, by: 'clientToken', groups: [], ...(granted !== undefined && { granted }) };
}

function wordsOf(scope: unknown): readonly string[] {
  return typeof scope === 'string' ? scope.split(/\s+/).filter((word) => word !== '') : [];
}

function claimsOf({ client, scopes }: ClientToken): { client_id: string; scope?: string } {
  return { client_id: client, ...(scopes.length > 0 && { scope: scopes.join(' ') }) };
}
