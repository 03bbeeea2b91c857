import type { Config } from '../config/schema.ts';
import { judgedHost } from '../oci/judged-name.ts';
import { hostOf, isHosted, looksLikeHost, pathOf, type RepositoryName } from '../oci/reference.ts';
import { targetSettings } from './target-settings.ts';

/** How a repository is called in URLs of this server: as the catalogue has it, of a registry that no path can name by its alias. */
export function nameInUrls(config: Config): (repository: RepositoryName) => string {
  const { aliases } = targetSettings(config);
  const names = new Map([...aliases].map(([alias, host]) => [host, alias]));
  return (repository) => {
    if (isHosted(repository)) return pathOf(repository);
    const host = hostOf(repository);
    const isNameable = looksLikeHost(host);
    if (isNameable && !host.includes(':')) return repository;
    const alias = names.get(host);
    if (alias !== undefined) return `${alias}/${pathOf(repository)}`;
    // Without a port it would be the name of what lives here.
    return isNameable ? repository : `${judgedHost(host)}/${pathOf(repository)}`;
  };
}
