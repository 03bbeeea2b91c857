import { type JWTPayload, jwtVerify } from 'jose';
import type { Clock } from '../../base/clock.ts';
import type { Known } from '../identity/proof.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import { grantsIn, groupsIn, userIn } from './token-claims.ts';

export interface ForeignIssuer {
  /** `iss`. */
  readonly issuer: string;
  /** `aud`. */
  readonly audience: string;
  readonly algorithms: readonly ('RS256' | 'ES256')[];
  readonly clockSkewMs: number;
  readonly subjectClaim: string;
  readonly groupsClaim: string;
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

  /** Rejects with what `jose` says, and as its keys do. */
  async verify(token: string): Promise<JWTPayload> {
    const { issuer, audience, algorithms, clockSkewMs, keys } = this.#issuer;
    const { payload } = await jwtVerify(token, keys, {
      ...{ issuer, audience, algorithms: [...algorithms], clockTolerance: clockSkewMs / 1000 },
      ...{ currentDate: new Date(this.#clock.now()), requiredClaims: ['exp'] },
    });
    return payload;
  }

  /**
   * Whom it names. Where it grants repositories it is good for those alone, for everybody too (Docker's token servers leave `sub` empty for whoever has not logged in).
   * Undefined: nobody.
   */
  knownIn(payload: JWTPayload): Known | undefined {
    const { subjectClaim, groupsClaim, realm } = this.#issuer;
    const id = userIn(payload, subjectClaim);
    const granted = grantsIn(payload) ?? (realm === undefined ? undefined : []);
    if (id === undefined && granted === undefined) return undefined;
    const known: Known = { id, by: 'token', groups: groupsIn(payload, groupsClaim) };
    return granted === undefined ? known : { ...known, granted };
  }
}
