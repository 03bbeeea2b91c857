import type { CacheParts } from '../cache/cache-parts.ts';
import type { RegistryConfig } from '../config/schema.ts';
import type { Secret } from '../config/secret.ts';
import {
  anonymous,
  type CredentialProvider,
  staticCredential,
  staticCredentials,
} from '../credentials/credentials.ts';
import { fileCredentials } from '../credentials/providers/file.ts';
import { credentialProvider } from '../credentials/providers/index.ts';
import type { NameLookups } from '../net/dial/name-lookups.ts';
import type { ProxyChoice } from '../net/dial/proxy-choice.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost } from '../oci/reference.ts';
import { credentialChoice } from './credential-choice.ts';

export interface CredentialSettings extends Pick<CacheParts, 'clock' | 'random' | 'log'> {
  readonly env: NodeJS.ProcessEnv;
  readonly proxies: ProxyChoice;
  readonly names: NameLookups;
}

/** Who we are at a registry. To be disposed. */
export function registryCredentials(
  registry: RegistryConfig | undefined,
  { clock, random, log, env, proxies, names }: CredentialSettings,
): CredentialProvider {
  const chosen = credentialChoice(registry);
  if (registry === undefined || chosen.kind === 'anonymous') return staticCredentials(anonymous);
  switch (chosen.kind) {
    case 'static':
      return chosen.file === ''
        ? staticCredentials(staticCredential(chosen.secret.reveal()))
        : fileCredentials({ path: chosen.file, clock, log });
    case 'provider':
      return credentialProvider(chosen.choice, {
        host: canonicalHost(parseRegistryHost(registry.name)),
        origin: new URL(`${registry.scheme}://${registry.name}`),
        expiryMs: registry.auth.token.expiry,
        clock,
        random,
        log,
        env,
        proxies,
        names,
      });
    case 'password':
      return userCredentials(chosen, { clock, log });
  }
}

/** A user whose password stands in the configuration, or in a file that may change. */
export function userCredentials(
  { user, secret, file }: { readonly user: string; readonly secret: Secret; readonly file: string },
  { clock, log }: Pick<CacheParts, 'clock' | 'log'>,
): CredentialProvider {
  return file === ''
    ? staticCredentials({ kind: 'basic', username: user, password: secret.reveal() })
    : fileCredentials({ path: file, user, clock, log });
}
