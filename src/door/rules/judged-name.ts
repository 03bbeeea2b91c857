import { canonicalRepository } from '../../oci/docker-hub.ts';
import { hostOf, parseRegistryHost, pathOf, type RepositoryName, shownName } from '../../oci/reference.ts';

/** The port in front of the path, of a name or of a glob. */
const port = /^([^/]*):0*([0-9]+)(?=\/)/;

/** `ghcr.io:443/a`, `ghcr.io:0443/a`: the same registry, as names are judged. */
export function withoutUsualPort(text: string): string {
  return text.replace(port, (_, host: string, number: string) =>
    number === '443' ? host : `${host}:${number}`,
  );
}

/**
 * What a rule about a repository is about too, however its registry is written: else whoever writes it otherwise goes round the rule. What lies in the cache
 * is called as it was asked for. Throws NAME_INVALID where it is too long so.
 */
export function judgedRepository(repository: RepositoryName): RepositoryName {
  // A path has no colon.
  if (!repository.includes(':')) return repository;
  const plain = withoutUsualPort(repository) as RepositoryName;
  return canonicalRepository(parseRegistryHost(hostOf(plain)), pathOf(plain));
}

/** As rules name it. */
export function judgedName(repository: RepositoryName): string {
  return shownName(judgedRepository(repository));
}
