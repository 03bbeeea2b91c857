import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { Writes } from './write-statements.ts';

/** A repository and a digest by their numbers. */
export interface KnownManifest {
  readonly owner: number;
  readonly content: number;
}

/** Undefined: nothing was ever said of them, so that there is nothing to change. */
export function knownManifest(
  statements: Pick<Writes, 'findRepository' | 'findContent'>,
  name: RepositoryName,
  digest: Digest,
): KnownManifest | undefined {
  const owner = statements.findRepository.get(name)?.id;
  const content = statements.findContent.get(digest)?.id;
  return owner === undefined || content === undefined ? undefined : { owner, content };
}
