import type { RepositoryName } from '../oci/reference.ts';

/** Who asks, as far as he has shown it and it was found right. */
export interface Subject {
  /** User of the password file, `client_id`, the claim that names the user, the name in a certificate. Undefined: nobody in particular. */
  readonly id: string | undefined;
  /** By what it was shown. */
  readonly by: 'nothing' | 'password' | 'token' | 'certificate';
  readonly groups: readonly string[];
  /** Of the connection, or what a trusted proxy says of it. Undefined: the connection is gone. */
  readonly address: string | undefined;
  /** What his token is good for (distribution, "Token Scope Documentation"), besides what the rules say: both must allow it. Undefined: the rules alone decide. */
  readonly granted?: readonly Grant[];
}

export interface Grant {
  /** As a client writes it in a path, or with its registry in front. */
  readonly repository: string;
  readonly actions: readonly string[];
}

/** What the rules speak of. `admin`: the calls below `/cmd`. */
export type RuledAction = 'pull' | 'push' | 'delete' | 'admin';

export interface Verdict {
  readonly allowed: boolean;
  /** The name of the rule that decided; undefined: none matched. */
  readonly rule: string | undefined;
}

/** May he? Pure, and quick: it is asked on the way of every request. `repository`: with its registry in front. */
export type Judge = (subject: Subject, action: RuledAction, repository: RepositoryName) => Verdict;
