import type { Soon } from '../../base/soon.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/reference.ts';

/** Who asks, as far as the door knows him: for the log, and for what else of the request he may. */
export interface KnownCaller {
  /** Undefined: nobody in particular. */
  readonly id: string | undefined;
  /** Undefined: the connection is gone. */
  readonly address: string | undefined;
  /** What he asked about. */
  readonly repository: RepositoryName | undefined;
  readonly digest: string | undefined;
  /** The name of the rule that has decided about him. */
  readonly rule: string | undefined;
  /** Of his limit, for whatever he is answered: names and values in turn. */
  readonly headers: readonly string[];
  readonly mayPull: (repository: RepositoryName) => boolean;
  /** The same of all repositories, for a list of them, whatever else he may have a token for: where their names begin, and which are among them. */
  readonly pullable: {
    readonly beginnings: readonly string[];
    readonly has: (repository: RepositoryName) => boolean;
  };
  /** Which tags of a long list he is shown. Undefined: all. */
  readonly tagsPassing: (repository: RepositoryName) => ((tag: Tag) => boolean) | undefined;
  /** The same of one blob there, by whose tags it may be kept back. */
  readonly mayPullBlob: (repository: RepositoryName, digest: Digest) => Soon<boolean>;
  /** Throws DENIED where one of these may not be pushed. */
  readonly checkTags: (repository: RepositoryName, tags: readonly Tag[]) => void;
  /** Told what a tag was answered with. */
  readonly answered: (repository: RepositoryName, digest: Digest) => void;
}
