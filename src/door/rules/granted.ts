import { judgedName } from '../../oci/judged-name.ts';
import type { RepositoryName } from '../../oci/reference.ts';
import { catalogue, type Grant, type RuledAction, type Subject } from '../subject.ts';

/** The repository that a name in a path means; undefined: none. */
export type RepositoryNamed = (name: string) => RepositoryName | undefined;

/** What each grant is about, as names are judged; undefined: nothing that there could be. For whoever shows the same token again. */
const names = new WeakMap<Grant, { readonly by: RepositoryNamed; readonly name: string | undefined }>();

/**
 * Is his token good for it? What a name means is looked up, and compared as names are judged: by `?ns=` or `X-Registry` the same path is another repository. Who
 * has no such token is bound by the rules alone.
 */
export function isGranted(
  { granted }: Subject,
  action: RuledAction,
  repository: RepositoryName,
  repositoryNamed: RepositoryNamed,
): boolean {
  if (granted === undefined) return true;
  const asked = judgedName(repository);
  return granted.some(
    (grant) =>
      (grant.actions.includes(action) || grant.actions.includes('*')) &&
      nameOf(grant, repositoryNamed) === asked,
  );
}

/** The same of the catalogue: of what he may pull, whatever else his token is good for. */
export function isGrantedCatalog({ granted }: Subject): boolean {
  return (
    granted === undefined ||
    granted.some(({ repository, actions }) => repository === catalogue && actions.includes('*'))
  );
}

function nameOf(grant: Grant, by: RepositoryNamed): string | undefined {
  const known = names.get(grant);
  if (known?.by === by) return known.name;
  const repository = by(grant.repository);
  const name = repository === undefined ? undefined : judgedName(repository);
  names.set(grant, { by, name });
  return name;
}
