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
import type { ProxyChoice } from '../upstream/proxy-choice.ts';

export interface CredentialSettings extends Pick<CacheParts, 'clock' | 'random' | 'log'> {
  readonly env: NodeJS.ProcessEnv;
  readonly proxies: ProxyChoice;
}

/**
 * Who we are at a registry. As in the original a static token comes before a provider, and both before user and
 * password. To be disposed.
 */
export function registryCredentials(
  registry: RegistryConfig | undefined,
  { clock, random, log, env, proxies }: CredentialSettings,
): CredentialProvider {
  if (registry === undefined) return staticCredentials(anonymous);
  const { auth, scheme, name } = registry;
  const { user, password, passwordFile, token } = auth;
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
      env,
      proxies,
    });
  }
  if (user === '' || password === undefined) return staticCredentials(anonymous);
  if (passwordFile !== '') return fileCredentials({ path: passwordFile, user, clock, log });
  return staticCredentials({ kind: 'basic', username: user, password: password.reveal() });
}
