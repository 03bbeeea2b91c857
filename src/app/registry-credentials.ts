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
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost } from '../oci/reference.ts';
import { type ConnectionParts, cloudConnections } from './cloud-connections.ts';
import { credentialChoice } from './credential-choice.ts';

export interface CredentialSettings extends ConnectionParts, Pick<CacheParts, 'clock' | 'random' | 'log'> {
  readonly env: NodeJS.ProcessEnv;
}

/** Who we are at a registry. To be disposed. */
export function registryCredentials(
  registry: RegistryConfig | undefined,
  settings: CredentialSettings,
): CredentialProvider {
  const { clock, random, log, env } = settings;
  const chosen = credentialChoice(registry);
  if (registry === undefined || chosen.kind === 'anonymous') return staticCredentials(anonymous);
  switch (chosen.kind) {
    case 'static':
      return chosen.file === ''
        ? staticCredentials(staticCredential(chosen.secret.reveal()))
        : fileCredentials({ path: chosen.file, clock, log });
    case 'provider':
      return chosen.provider.open({
        host: canonicalHost(parseRegistryHost(registry.name)),
        origin: new URL(`${registry.scheme}://${registry.name}`),
        expiryMs: registry.auth.token.expiry,
        clock,
        random,
        log,
        env,
        connect: cloudConnections(registry, settings),
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
