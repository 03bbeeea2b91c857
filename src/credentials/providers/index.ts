import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { NameLookups } from '../../net/dial/name-lookups.ts';
import type { ProxyChoice } from '../../net/dial/proxy-choice.ts';
import type { RegistryHost } from '../../oci/reference.ts';
import type { CredentialProvider } from '../credentials.ts';
import { type CredentialSource, RefreshingCredentials } from '../refreshing-credentials.ts';
import { azureSource } from './azure.ts';
import { serverUrlOf } from './docker-config.ts';
import { DockerConfigCredentials } from './docker-config-credentials.ts';
import { ecrSource } from './ecr.ts';
import { ecrPublicSource } from './ecr-public.ts';
import { execSource } from './exec.ts';
import { fileCredentials } from './file.ts';
import { gcpSource } from './gcp.ts';

/** Which source of credentials, with its options. */
export type ProviderChoice =
  | { readonly provider: 'ecr'; readonly options: Options<'profile' | 'region' | 'roleArn'> }
  | { readonly provider: 'ecr-public'; readonly options: Options<'profile' | 'roleArn'> }
  | { readonly provider: 'gcp'; readonly options: Options<'keyFile' | 'serviceAccount'> }
  | { readonly provider: 'azure'; readonly options: Options<'clientId' | 'tenantId' | 'resource'> }
  | { readonly provider: 'exec'; readonly options: ExecOptions }
  | { readonly provider: 'dockerConfig'; readonly options: Options<'path'> }
  | { readonly provider: 'file'; readonly options: Options<'user'> & { readonly path: string } };

type Options<Names extends string> = { readonly [Name in Names]?: string | undefined };

interface ExecOptions extends Options<'serverUrl'> {
  readonly command: string | readonly string[];
  /** Milliseconds. */
  readonly lifetime?: number | undefined;
}

export interface ProviderSettings {
  readonly host: RegistryHost;
  /** Where the registry's API is. */
  readonly origin: URL;
  /** The longest time between two fetches. Milliseconds. */
  readonly expiryMs: number;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
  /** For what is asked over the network. */
  readonly proxies: ProxyChoice;
  readonly names: NameLookups;
}

/** The credentials of one registry: each has its own, so that accounts and regions live side by side. To be disposed. */
export function credentialProvider(choice: ProviderChoice, settings: ProviderSettings): CredentialProvider {
  switch (choice.provider) {
    case 'dockerConfig':
      return new DockerConfigCredentials({ ...settings, ...choice.options });
    case 'file':
      return fileCredentials({ ...settings, ...choice.options });
    case 'ecr':
    case 'ecr-public':
    case 'gcp':
    case 'azure':
    case 'exec':
      return new RefreshingCredentials({ ...settings, source: sourceOf(choice, settings) });
  }
}

type SourceChoice = Exclude<ProviderChoice, { provider: 'dockerConfig' | 'file' }>;

function sourceOf({ provider, options }: SourceChoice, settings: ProviderSettings): CredentialSource {
  const { proxies, names } = settings;
  switch (provider) {
    case 'ecr':
      return ecrSource({ ...options, host: settings.host, proxies, names });
    case 'ecr-public':
      return ecrPublicSource({ ...options, proxies, names });
    case 'gcp':
      return gcpSource({ ...settings, ...options });
    case 'azure':
      return azureSource({ ...settings, ...options });
    case 'exec': {
      const { command, serverUrl = serverUrlOf(settings.host), lifetime: lifetimeMs } = options;
      return execSource({ ...settings, command, serverUrl, lifetimeMs });
    }
  }
}
