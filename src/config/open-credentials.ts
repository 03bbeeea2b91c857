import { isLoopbackHost } from '../base/loopback.ts';
import { doorsOf } from './doors.ts';
import type { Config, RegistryConfig } from './schema.ts';

/** So many are named, the others counted. */
const maxNamed = 5;

/**
 * A line for each door where registries know us and we do not know who asks: what is private there is given to whoever reaches the port.
 * None where that is this machine alone, or whoever has a certificate.
 */
export function openCredentials(config: Config): string[] {
  const { registries, auth, access } = config;
  // Then somebody says who may.
  if (auth !== undefined || access !== undefined) return [];
  const names = registries.filter(hasCredential).map(({ name }) => name);
  if (names.length === 0) return [];
  const more = names.length > maxNamed ? ` and ${names.length - maxNamed} more` : '';
  const who = `${names.slice(0, maxNamed).join(', ')}${more}`;
  const open = doorsOf(config).filter(
    (door) => door.serve === 'registry' && !door.asksForCertificates && !isLoopbackHost(door.host),
  );
  return open.map(
    ({ host, port }) =>
      `registries: pulls with the credentials of ${who} are open to all who reach port ${port} of ${host}, private images too: let only those reach it who may have them`,
  );
}

function hasCredential({ auth: { user, password, token, accounts }, tls }: RegistryConfig): boolean {
  if (token.static !== undefined || token.provider !== '' || tls.cert !== '') return true;
  return accounts.length > 0 || (user !== '' && password !== undefined);
}
