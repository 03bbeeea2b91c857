import { providerChoice } from '../config/provider-options.ts';
import type { RegistryConfig } from '../config/schema.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost } from '../oci/reference.ts';
import type { CacheParts } from '../registry/cache-parts.ts';
import {
  anonymous,
  type CredentialProvider,
  staticCredential,
  staticCredentials,
} from '../upstream/auth/credentials.ts';
import { fileCredentials } from '../upstream/auth/providers/file.ts';
import { credentialProvider } from '../upstream/auth/providers/index.ts';

/**
 * Who we are at a registry. As in the original a static token comes before a provider, and both before user and
 * password. To be disposed.
 */
export function registryCredentials(
  registry: RegistryConfig | undefined,
  { clock, random, log }: Pick<CacheParts, 'clock' | 'random' | 'log'>,
): CredentialProvider {
  if (registry === undefined) return staticCredentials(anonymous);
  const { auth, scheme, name } = registry;
  const { token } = auth;
  if (token.static !== undefined) {
    if (token.staticFile !== '') return fileCredentials({ path: token.staticFile, clock, log });
    return staticCredentials(staticCredential(token.static.reveal()));
  }
  if (token.provider !== '') {
    return credentialProvider(providerChoice(token.provider, token.providerOpts), {
      host: canonicalHost(parseRegistryHost(name)),
      origin: new URL(`${scheme}://${name}`),
      expiryMs: token.expiry,
      clock,
      random,
      log,
      env: process.env,
    });
  }
  return userCredentials(auth, { clock, log });
}

/** Are we anybody there? */
export function hasCredentials({ auth: { user, password, token } }: RegistryConfig): boolean {
  return token.static !== undefined || token.provider !== '' || (user !== '' && password !== undefined);
}

/** Anonymous where one of the two is missing. */
export function userCredentials(
  { user, password, passwordFile }: Pick<RegistryConfig['auth'], 'user' | 'password' | 'passwordFile'>,
  { clock, log }: Pick<CacheParts, 'clock' | 'log'>,
): CredentialProvider {
  if (user === '' || password === undefined) return staticCredentials(anonymous);
  if (passwordFile !== '') return fileCredentials({ path: passwordFile, user, clock, log });
  return staticCredentials({ kind: 'basic', username: user, password: password.reveal() });
}
