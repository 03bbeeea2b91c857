import type { RepositoryName } from '../oci/reference.ts';
import type { CallOptions, Registry } from '../oci/registry.ts';
import type { Caller } from './authorise.ts';

/** Registries of which each client has what they let him have, by a user and a password that he has there. */
export interface OwnRights {
  /**
   * The registry of this repository as this caller is let see it. Undefined: it is one that is the same for all. Throws UNAUTHORIZED with a `WWW-Authenticate`
   * where he shows no user and password, DENIED where none are taken.
   */
  registryFor(repository: RepositoryName, caller: Caller): Registry | undefined;
  /**
   * Settles where he may go on behind `GET /v2/`. `named`: the registry that he means, as he names it. Throws UNAUTHORIZED with a `WWW-Authenticate`.
   */
  login(named: string | undefined, caller: Caller, options: CallOptions): Promise<void>;
}
