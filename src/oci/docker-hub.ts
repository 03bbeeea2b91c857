import { parseRegistryHost, type RegistryHost, type RepositoryName, repositoryName } from './reference.ts';

/** The one name under which Docker Hub's repositories are known here. */
export const dockerHub = parseRegistryHost('docker.io');
const otherNames: ReadonlySet<string> = new Set([
  'index.docker.io',
  'registry-1.docker.io',
  'registry.hub.docker.com',
]);

/** Is it one of Docker Hub's four names: as clients write it, as it was written, as its API is reached, and was? */
export function isDockerHub(host: string): boolean {
  return host === dockerHub || otherNames.has(host);
}

/** Docker Hub has several names; every other registry has the one it is called by. */
export function canonicalHost(host: RegistryHost): RegistryHost {
  return isDockerHub(host) ? dockerHub : host;
}

/** `docker.io/alpine` is `docker.io/library/alpine`: Docker Hub's own images lie below `library/`. Throws NAME_INVALID. */
export function canonicalRepository(host: RegistryHost, path: string): RepositoryName {
  const canonical = canonicalHost(host);
  return repositoryName(canonical, canonical === dockerHub && !path.includes('/') ? `library/${path}` : path);
}
