import { randomUUID } from 'node:crypto';
import { type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../../base/clock.ts';
import { clientStamp, type StampedClient } from './client-stamp.ts';
import type { KeyRing } from './key-ring.ts';

/** What a token is for: one of a kind is none of another (RFC 8725 section 3.11). */
export type TokenKind = 'JWT' | 'at+jwt' | 'refresh+jwt';

export interface SignedTokensSettings {
  readonly keys: Pick<KeyRing, 'signer' | 'find'>;
  readonly issuer: string;
  readonly clock: Clock;
}

/** Besides those that every token has. */
export interface TokenClaims {
  readonly sub: string;
  readonly aud: string;
  readonly [claim: string]: unknown;
}

export interface MadeToken {
  /** Secret. */
  readonly token: string;
  /** Seconds since the epoch, as all times in tokens (RFC 7519 section 2). */
  readonly issuedAt: number;
  /** Seconds. */
  readonly expiresIn: number;
}

/** What is in a token, and what its stamp must be. */
export interface StampedPayload {
  readonly payload: JWTPayload;
  readonly stampOf: (client: StampedClient) => string | undefined;
}

/** Good from a little earlier on: clocks of registries are not ours. Seconds. */
const earlier = 5;
/** Other processes of the same directory have other clocks. Seconds. */
const tolerance = 10;

/** Tokens that are signed by the keys of this server. */
export class SignedTokens {
  readonly #settings: SignedTokensSettings;

  constructor(settings: SignedTokensSettings) {
    this.#settings = settings;
  }

  /** `stamped`: the client as long as whose secret is the same it is good. */
  async make(
    kind: TokenKind,
    claims: TokenClaims,
    lifeMs: number,
    stamped?: StampedClient,
  ): Promise<MadeToken> {
    const { keys, issuer, clock } = this.#settings;
    const { kid, algorithm: alg, privateKey, stampKey, x5c } = await keys.signer();
    const issuedAt = Math.floor(clock.now() / 1000);
    const expiresIn = Math.floor(lifeMs / 1000);
    const times = { exp: issuedAt + expiresIn, nbf: issuedAt - earlier, iat: issuedAt };
    const stamp = stamped === undefined ? {} : { stamp: clientStamp(stampKey, stamped) };
    const token = await new SignJWT({ iss: issuer, ...claims, ...stamp, ...times, jti: randomUUID() })
      .setProtectedHeader({ typ: kind, alg, kid, ...(x5c !== undefined && { x5c: [...x5c] }) })
      .sign(privateKey);
    return { token, issuedAt, expiresIn };
  }

  /** Rejects with what `jose` says where it is none of ours, of another kind, for somebody else, or not good now. */
  async verify(kind: TokenKind, token: string, audience: string): Promise<JWTPayload> {
    return (await this.verifyStamped(kind, token, audience)).payload;
  }

  /** The same, with what the stamp of a client in it must be; undefined: there is none that would be right. */
  async verifyStamped(kind: TokenKind, token: string, audience: string): Promise<StampedPayload> {
    const { keys, issuer, clock } = this.#settings;
    let stampKey: Uint8Array | undefined;
    const { payload } = await jwtVerify(
      token,
      async ({ kid = '', alg }) => {
        const key = await keys.find(kid);
        if (key === undefined || key.algorithm !== alg) throw new UnknownKey();
        stampKey = key.stampKey;
        return key.publicKey;
      },
      {
        ...{ issuer, audience, typ: kind, clockTolerance: tolerance, requiredClaims: ['sub', 'exp'] },
        algorithms: ['ES256', 'RS256'],
        currentDate: new Date(clock.now()),
      },
    );
    const by = stampKey;
    return { payload, stampOf: (client) => by && clientStamp(by, client) };
  }
}

/** Nobody whose tokens are believed signs with it. */
export class UnknownKey extends Error {
  override readonly name = 'UnknownKey';

  constructor() {
    super('it is signed with a key that is not known');
  }
}
