import { type JWTPayload, jwtVerify } from 'jose';
import type { Clock } from '../../base/clock.ts';
import type { Known } from '../identity/proof.ts';
import type { Grant } from '../subject.ts';
import { type AcceptedType, checkAccessToken } from './access-token.ts';
import { grantedTo } from './client-scopes.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import { grantsIn, groupsIn, scopesIn, userIn, valuesIn } from './token-claims.ts';

export interface ForeignIssuer {
  /** `iss`. */
  readonly issuer: string;
  /** `aud`. */
  readonly audience: string;
  readonly algorithms: readonly ('RS256' | 'ES256')[];
  readonly tokenType: AcceptedType;
  readonly clockSkewMs: number;
  readonly subjectClaim: string;
  readonly groupsClaim: string;
  /** Those that rules ask for. */
  readonly claims: readonly string[];
  readonly keys: IssuerKeys;
  /** Where clients get its tokens, by Docker's protocol: in these a grant that is not there is none. Undefined: they are of another kind. */
  readonly realm?: string | undefined;
}

/** Tokens of one issuer that is not this server. */
export class ForeignTokens {
  readonly #issuer: ForeignIssuer;
  readonly #clock: Clock;

  constructor(issuer: ForeignIssuer, clock: Clock) {
    this.#issuer = issuer;
    this.#clock = clock;
  }

  /** Rejects with what `jose` says, with NoAccessToken, and as its keys do. */
  async verify(token: string): Promise<JWTPayload> {
    const { issuer, audience, algorithms, tokenType, clockSkewMs, keys } = this.#issuer;
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      ...{ issuer, audience, algorithms: [...algorithms], clockTolerance: clockSkewMs / 1000 },
      ...{ currentDate: new Date(this.#clock.now()), requiredClaims: ['exp'] },
    });
    checkAccessToken(protectedHeader, payload, tokenType);
    return payload;
  }

  /**
   * Whom it names. Where it grants repositories it is good for those alone, for everybody too (Docker's token servers leave `sub` empty for whoever has not logged in).
   * Undefined: nobody.
   */
  knownIn(payload: JWTPayload): Known | undefined {
    const { issuer, subjectClaim, groupsClaim, claims, realm } = this.#issuer;
    const id = isUnverified(payload, subjectClaim) ? undefined : userIn(payload, subjectClaim);
    const granted = grantedBy(payload) ?? (realm === undefined ? undefined : []);
    if (id === undefined && granted === undefined) return undefined;
    return {
      ...{ id, by: 'foreignToken', issuer, groups: groupsIn(payload, groupsClaim) },
      ...(claims.length > 0 && {
        claims: Object.fromEntries(
          claims.map((name) => [name, isUnverified(payload, name) ? [] : valuesIn(payload, name)]),
        ),
      }),
      ...(granted !== undefined && { granted }),
    };
  }
}

/** Whoever may write any address into his account is called by none (OpenID Connect Core section 5.1). Where nothing is said of it the issuer is believed. */
function isUnverified({ email_verified: isVerified }: JWTPayload, claim: string): boolean {
  return claim === 'email' && isVerified !== undefined && isVerified !== true && isVerified !== 'true';
}

/** What stands in `access`, and what scopes of repositories say, as another ociregistry writes them: where there are both, what both grant. */
function grantedBy(payload: JWTPayload): readonly Grant[] | undefined {
  const access = grantsIn(payload);
  const scopes = grantedTo([], scopesIn(payload));
  if (access === undefined || scopes === undefined) return access ?? scopes;
  return access.map(({ repository, actions }) => {
    const inScopes = scopes
      .filter((grant) => grant.repository === repository)
      .flatMap((grant) => grant.actions);
    return {
      repository,
      actions: actions.filter((action) => inScopes.includes(action) || inScopes.includes('*')),
    };
  });
}
