import type { Known } from '../identity/proof.ts';
import type { Access } from './asked-access.ts';
import { stampOf } from './password-stamp.ts';
import type { MadeToken, SignedTokens } from './signed-tokens.ts';
import { grantsIn } from './token-claims.ts';
import type { ProvenToken } from './token-proofs.ts';

/** A refresh token is good for so long: then whoever has it logs in again. Milliseconds. */
export const refreshMs = 90 * 24 * 3_600_000;

export interface DockerTokensSettings {
  readonly tokens: SignedTokens;
  /** `aud`. */
  readonly service: string;
  readonly lifeMs: number;
  /** The hash of a user's password; undefined: there is no such user. */
  readonly hashOf: (user: string) => string | undefined;
}

/** The tokens of Docker's token service (distribution, "Token Authentication Implementation"). */
export class DockerTokens {
  readonly #settings: DockerTokensSettings;

  constructor(settings: DockerTokensSettings) {
    this.#settings = settings;
  }

  /** Good here as long as the user's password is the same; elsewhere until it ends. `user` undefined: for nobody in particular. */
  async access(user: string | undefined, access: readonly Access[]): Promise<MadeToken> {
    const { tokens, service, lifeMs } = this.#settings;
    const stamp = user === undefined ? undefined : this.#stampOf(user);
    const claims = { sub: user ?? '', aud: service, access, ...(stamp !== undefined && { stamp }) };
    return await tokens.make('JWT', claims, lifeMs);
  }

  /** Good as long as the user's password is the same. Undefined: there is no such user. */
  async refresh(user: string): Promise<string | undefined> {
    const stamp = this.#stampOf(user);
    if (stamp === undefined) return undefined;
    const claims = { sub: user, aud: this.#refreshAudience, stamp };
    return (await this.#settings.tokens.make('refresh+jwt', claims, refreshMs)).token;
  }

  /** Whose it is. Rejects as {@link SignedTokens.verify}; undefined: he is not there any more, or has another password. */
  async userOf(refreshToken: string): Promise<string | undefined> {
    const { tokens } = this.#settings;
    const { sub = '', stamp } = await tokens.verify('refresh+jwt', refreshToken, this.#refreshAudience);
    const now = this.#stampOf(sub);
    return now !== undefined && now === stamp ? sub : undefined;
  }

  /** Who shows it, at our own door. Rejects as {@link SignedTokens.verify}. */
  async prove(token: string): Promise<ProvenToken & { readonly known: Known }> {
    const { tokens, service, hashOf } = this.#settings;
    const payload = await tokens.verify('JWT', token, service);
    const { sub = '', stamp } = payload;
    const known: Known = {
      id: sub === '' ? undefined : sub,
      by: 'userToken',
      groups: [],
      granted: grantsIn(payload) ?? [],
    };
    const hash = hashOf(sub);
    const isHis = sub === '' || (hash !== undefined && stampOf(hash) === stamp);
    // Asked with each request, it compares no more than the entry.
    return { known, payload, holds: () => isHis && hashOf(sub) === hash };
  }

  /** Undefined: there is no such user. */
  #stampOf(user: string): string | undefined {
    const hash = this.#settings.hashOf(user);
    return hash === undefined ? undefined : stampOf(hash);
  }

  /** No registry takes it for a token of its own. */
  get #refreshAudience(): string {
    return `refresh:${this.#settings.service}`;
  }
}
