import type { RepositoryName } from '../oci/reference.ts';

/** Who asks, as far as he has shown it and it was found right. */
export interface Subject {
  /** User of the password file, `client_id`, the claim that names the user, the name in a certificate. Undefined: nobody in particular. */
  readonly id: string | undefined;
  /**
   * By what it was shown, and so whose name `id` is, for the same one of another kind is somebody else. `userToken` and `clientToken` are ours, for a user of the password
   * file and for a program; `foreignToken` is of `issuer`.
   */
  readonly by: 'nothing' | 'password' | 'userToken' | 'clientToken' | 'foreignToken' | 'certificate';
  readonly groups: readonly string[];
  /** `iss` of a foreign token, who answers for all that it says. */
  readonly issuer?: string;
  /** What it says besides, of the claims that rules ask for. */
  readonly claims?: Readonly<Record<string, readonly string[]>>;
  /** Of the connection, or what a trusted proxy says of it. Undefined: the connection is gone. */
  readonly address: string | undefined;
  /** What his token is good for (distribution, "Token Scope Documentation"), besides what the rules say: both must allow it. Undefined: the rules alone decide. */
  readonly granted?: readonly Grant[];
}

/** What somebody is called in logs and counts: of an issuer with that in front, so that nobody is called as somebody else. */
export function toldName({ id, issuer }: Pick<Subject, 'id' | 'issuer'>): string | undefined {
  return id === undefined || issuer === undefined ? id : `${issuer}#${id}`;
}

/** The catalogue, where a grant has a repository: no name has a blank. */
export const catalogue = 'registry catalog';

export interface Grant {
  /** As a client writes it in a path, or with its registry in front. */
  readonly repository: string;
  readonly actions: readonly string[];
}

/** What the rules speak of. The calls below `/cmd` are no matter of theirs: decision 37. */
export type RuledAction = 'pull' | 'push' | 'delete';

export interface Verdict {
  readonly allowed: boolean;
  /** The name of the rule that decided; undefined: none matched. */
  readonly rule: string | undefined;
}

/** May he? Pure, and quick: it is asked on the way of every request. `repository`: with its registry in front. */
export type Judge = (subject: Subject, action: RuledAction, repository: RepositoryName) => Verdict;
