import { isLoopbackHost } from '../base/loopback.ts';
import { doorsOf } from './doors.ts';
import type { Config } from './schema.ts';

/**
 * One line for each door to which passwords and secrets come in plain HTTP from other machines. None where a proxy has the TLS, by the URL that clients know.
 */
export function openPasswords(config: Config): string[] {
  if (config.publicUrl.startsWith('https:')) return [];
  return doorsOf(config).flatMap((door) => {
    const { name, host, port, serve, hasTls, kinds, passesPasswords } = door;
    const isAsked = kinds.has('basic') || kinds.has('tokenService') || kinds.has('oauth');
    if (!(isAsked || passesPasswords) || serve === 'files' || hasTls || isLoopbackHost(host)) return [];
    const how = name === 'port' ? 'serverTlsConfig' : `${name}.tls`;
    const what = passesPasswords ? 'registries: passwords of their users' : 'auth: passwords and secrets';
    return [
      `${what} come to port ${port} of ${host} in plain HTTP, and whoever is between reads them: ${how} is missing, or publicUrl with https where a proxy has the TLS`,
    ];
  });
}
