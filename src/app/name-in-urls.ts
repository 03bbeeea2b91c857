import type { Config } from '../config/schema.ts';
import { hostOf, isHosted, pathOf, type RepositoryName } from '../oci/reference.ts';
import { targetSettings } from './target-settings.ts';

/** How a repository is called in URLs of this server: as the catalogue has it, of a registry with a port by its alias. */
export function nameInUrls(config: Config): (repository: RepositoryName) => string {
  const { aliases } = targetSettings(config);
  const names = new Map([...aliases].map(([alias, host]) => [host, alias]));
  return (repository) => {
    if (isHosted(repository)) return pathOf(repository);
    const host = hostOf(repository);
    const alias = host.includes(':') ? names.get(host) : undefined;
    return alias === undefined ? repository : `${alias}/${pathOf(repository)}`;
  };
}
