import { canonicalHost, canonicalRepository } from '../oci/docker-hub.ts';
import { RegistryError } from '../oci/error.ts';
import { parseRegistryHost, type RegistryHost, type RepositoryName } from '../oci/reference.ts';
import type { ToldEvent } from './told-events.ts';

/**
 * Which repository of which configured registry an event is about. `hosts`: under which a registry is known, its own and those of its mirrors. `ns`: the
 * registry, where the sender's URL says it: then the event's own hosts, which are whatever name a pusher used, do not matter. Undefined: none that
 * is configured.
 */
export function toldTarget(
  { hosts: said, repository }: Pick<ToldEvent, 'hosts' | 'repository'>,
  hosts: ReadonlyMap<string, RegistryHost>,
  ns: RegistryHost | undefined,
): RepositoryName | undefined {
  const registry = ns ?? said.map((host) => hosts.get(knownAs(host))).find((found) => found !== undefined);
  if (registry === undefined) return undefined;
  try {
    return canonicalRepository(registry, repository);
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

/** As the hosts are listed that are known. */
export function knownAs(host: string): string {
  try {
    return canonicalHost(parseRegistryHost(host));
  } catch {
    return '';
  }
}
