import { randomUUID } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../../base/clock.ts';
import type { Known } from '../identity/proof.ts';
import { grantedTo } from './client-scopes.ts';
import { clientStamp, type StampedClient, stampKeyOf } from './client-stamp.ts';
import type { GrantingUser } from './grant.ts';
import { stampOf } from './password-stamp.ts';
import type { MadeToken, SignedTokens, StampedPayload } from './signed-tokens.ts';

/** Of what a token for a program is made: who it is, what the token may be used for, and the user in whose name it acts. Secret. */
export interface ClientToken extends StampedClient {
  readonly scopes: readonly string[];
  /** Undefined: it acts for itself. */
  readonly user?: GrantingUser | undefined;
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
    const claims = { iss: issuer, aud: what.client, ...claimsOf(what) };
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
    const claims = { aud: this.#audience, ...claimsOf(what) };
    return await this.#tokens.make('at+jwt', claims, this.#lifeMs, what);
  }

  async verify(token: string): Promise<StampedPayload> {
    return await this.#tokens.verifyStamped('at+jwt', token, this.#audience);
  }
}

/** What tokens are held against. */
export interface TokenHolders {
  /** As it is configured. Undefined: it is not there any more. */
  readonly clientOf: (
    client: string,
  ) => { readonly secret: string | undefined; readonly scopes: readonly string[] } | undefined;
  /** The hash of a user's password. Undefined: there is no such user. */
  readonly hashOf: (user: string) => string | undefined;
}

/**
 * Who shows it, with what he may still have of its scope. Undefined: the client or the user is not there any more, or has another secret or password than
 * when he got it.
 */
export function holderOf(
  { payload, stampOf: stampOfClient }: StampedPayload,
  { clientOf, hashOf }: TokenHolders,
): { readonly known: Known; readonly holds: () => boolean } | undefined {
  const { sub, client_id: client, scope, stamp, user_stamp: userStamp } = payload;
  if (typeof client !== 'string' || typeof sub !== 'string') return undefined;
  const configured = clientOf(client);
  if (configured === undefined) return undefined;
  if (stamp === undefined || stamp !== stampOfClient({ client, secret: configured.secret })) return undefined;
  const granted = grantedTo(configured.scopes, wordsOf(scope));
  const by = userStamp === undefined ? 'clientToken' : 'userToken';
  const known: Known = { id: sub, by, groups: [], ...(granted !== undefined && { granted }) };
  // A user is nobody by his name alone: a client may have the same one.
  if (userStamp === undefined) return sub === client ? { known, holds: () => true } : undefined;
  const hash = hashOf(sub);
  if (hash === undefined || stampOf(hash) !== userStamp) return undefined;
  return { known, holds: () => hashOf(sub) === hash };
}

function wordsOf(scope: unknown): readonly string[] {
  return typeof scope === 'string' ? scope.split(/\s+/).filter((word) => word !== '') : [];
}

function claimsOf({ client, scopes, user }: ClientToken): { sub: string; client_id: string } {
  return {
    sub: user?.name ?? client,
    client_id: client,
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    ...(user !== undefined && { user_stamp: user.stamp }),
  };
}
