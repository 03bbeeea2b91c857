import { formatChallenge } from '../../oci/challenge.ts';
import type { RepositoryName } from '../../oci/reference.ts';

/** What somebody wants at the door. */
export type DoorAction = 'pull' | 'push' | 'delete' | 'catalog' | 'version' | 'login';

export interface Realms {
  /** Where clients get tokens (distribution, "Token Authentication Specification"); without a service they get none there. Undefined: nowhere that they would find. */
  readonly bearer: { readonly realm: string; readonly service: string | undefined } | undefined;
  readonly basic: boolean;
}

export interface ChallengesSettings extends Realms {
  /** How a repository is called by clients. */
  readonly nameOf: (repository: RepositoryName) => string;
}

export const basicChallenge = formatChallenge({
  scheme: 'Basic',
  params: { realm: 'ociregistry', charset: 'UTF-8' },
});
/** What the action takes, besides itself: whoever pushes looks first what is there. */
const needed: Readonly<Record<'pull' | 'push' | 'delete', string>> = {
  pull: 'pull',
  push: 'pull,push',
  delete: 'pull,delete',
};

/**
 * The header WWW-Authenticate: tokens where they are to be had, else passwords, and never both, for a client that knows both takes one
 * of them by its own lights.
 */
export class Challenges {
  readonly #settings: ChallengesSettings;

  constructor(settings: ChallengesSettings) {
    this.#settings = settings;
  }

  /** `error`: of RFC 6750 section 3.1. */
  of(action: DoorAction, repository: RepositoryName | undefined, error?: string): string {
    return this.#made(this.#scope(action, repository), error);
  }

  /** For credentials that are wrong. `wasToken`: it was one. */
  refusal(wasToken: boolean): string {
    return this.#made(undefined, wasToken ? 'invalid_token' : undefined);
  }

  #made(scope: string | undefined, error: string | undefined): string {
    const { bearer, basic } = this.#settings;
    if (bearer === undefined && basic) return basicChallenge;
    const { realm, service } = bearer ?? { realm: 'ociregistry', service: undefined };
    const params = { realm, service, scope, error };
    const said = Object.entries(params).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    );
    return formatChallenge({ scheme: 'Bearer', params: Object.fromEntries(said) });
  }

  #scope(action: DoorAction, repository: RepositoryName | undefined): string | undefined {
    if (action === 'catalog') return 'registry:catalog:*';
    if (repository === undefined || action === 'version' || action === 'login') return undefined;
    return `repository:${this.#settings.nameOf(repository)}:${needed[action]}`;
  }
}
