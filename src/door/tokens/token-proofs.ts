import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import type { Clock } from '../../base/clock.ts';
import { RegistryError } from '../../oci/error.ts';
import type { Known, Proof, Refused } from '../identity/proof.ts';
import { faultOfToken } from './token-fault.ts';

/** What tokens claim of themselves, by which those who could have made them are found. Nobody has looked at it. */
interface Claimed {
  readonly issuer: string | undefined;
  readonly algorithm: string | undefined;
  readonly kind: string | undefined;
}

/** Who shows a token. */
export interface ProvenToken {
  /** Undefined: nobody. */
  readonly known: Known | undefined;
  readonly payload: JWTPayload;
  /** Is he still whom it names? Default: as long as it is good. */
  readonly holds?: () => boolean;
}

/** Somebody whose tokens are believed. */
export interface TokenSource {
  /** May it be one of his? */
  readonly takes: (claimed: Claimed) => boolean;
  /** Rejects with what `jose` says. */
  readonly prove: (token: string) => Promise<ProvenToken>;
}

/** No header has room for more; what is longer is not even looked at. Characters. */
const maxLength = 16 * 1024;
/** Milliseconds. */
const rememberedMs = 60_000;
const noToken: Refused = { why: 'the token is not valid' };

/** Tokens in the header Authorization (RFC 6750), each looked at by those who may have made it. */
export class TokenProofs {
  readonly #sources: readonly TokenSource[];
  readonly #clock: Clock;

  constructor(sources: readonly TokenSource[], clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
  }

  /** Throws RegistryError where a source cannot say it: 503. */
  readonly prove = async (token: string): Promise<Proof | Refused> => {
    const claimed = claimedBy(token);
    if (claimed === undefined) return noToken;
    let refused: Refused = { why: 'nobody is believed here who could have made this token' };
    for (const source of this.#sources.filter(({ takes }) => takes(claimed))) {
      const found = await this.#provenBy(source, token);
      if ('known' in found) return found;
      refused = found;
    }
    return refused;
  };

  async #provenBy({ prove }: TokenSource, token: string): Promise<Proof | Refused> {
    try {
      const { known, payload, holds = () => true } = await prove(token);
      if (known === undefined) return { why: 'the token names nobody who is known here' };
      const leftMs = (payload.exp ?? 0) * 1000 - this.#clock.now();
      const forMs = Math.max(0, Math.min(rememberedMs, leftMs));
      return { known, holds, forMs, renewed: false };
    } catch (error) {
      const why = error instanceof RegistryError ? undefined : faultOfToken(error);
      if (why === undefined) throw error;
      return { why };
    }
  }
}

function claimedBy(token: string): Claimed | undefined {
  if (token.length > maxLength) return undefined;
  try {
    const { alg, typ } = decodeProtectedHeader(token);
    return { issuer: decodeJwt(token).iss, algorithm: alg, kind: typ };
  } catch {
    return undefined;
  }
}
