import type { RepositoryName } from '../../oci/reference.ts';
import type { RuledAction, Subject } from '../subject.ts';

/** What is no repository has its type in front in a grant. */
const catalogue = 'registry:catalog';

/** The repository that a name in a path means; undefined: none. */
export type RepositoryNamed = (name: string) => RepositoryName | undefined;

/**
 * Is his token good for it? What a name means is looked up and not compared: by `?ns=` or `X-Registry` the same path is another repository. Who has no such token
 * is bound by the rules alone.
 */
export function isGranted(
  { granted }: Subject,
  action: RuledAction,
  repository: RepositoryName,
  repositoryNamed: RepositoryNamed,
): boolean {
  return (
    granted === undefined ||
    granted.some(
      (grant) =>
        (grant.actions.includes(action) || grant.actions.includes('*')) &&
        (grant.repository === repository || repositoryNamed(grant.repository) === repository),
    )
  );
}

/** The same of the catalogue: of what he may pull, whatever else his token is good for. */
export function isGrantedCatalog({ granted }: Subject): boolean {
  return (
    granted === undefined ||
    granted.some(({ repository, actions }) => repository === catalogue && actions.includes('*'))
  );
}
