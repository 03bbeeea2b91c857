import type { Config, RegistryConfig } from './schema.ts';

/** So many are named, the others counted. */
const maxNamed = 5;

/**
 * One line where registries know us and we do not know who asks: what is private there is given to whoever reaches the port.
 * None where that is this machine alone, or whoever has a certificate.
 */
export function openCredentials({ registries, host, port, serverTlsConfig, auth, access }: Config): string[] {
  // Then somebody says who may.
  if (auth !== undefined || access !== undefined) return [];
  const names = registries.filter(hasCredential).map(({ name }) => name);
  if (names.length === 0 || isLoopback(host) || serverTlsConfig.clientAuth === 'verify') return [];
  const more = names.length > maxNamed ? ` and ${names.length - maxNamed} more` : '';
  const who = `${names.slice(0, maxNamed).join(', ')}${more}`;
  return [
    `registries: pulls with the credentials of ${who} are open to all who reach port ${port} of ${host}, private images too: let only those reach it who may have them`,
  ];
}

function hasCredential({ auth: { user, password, token, accounts }, tls }: RegistryConfig): boolean {
  if (token.static !== undefined || token.provider !== '' || tls.cert !== '') return true;
  return accounts.length > 0 || (user !== '' && password !== undefined);
}

/** As a host to listen on, or in a URL without brackets. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
