import type { Clock } from '../clock.ts';
import type { Config, RegistryConfig } from '../config/schema.ts';
import type { Log } from '../log.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost, type RegistryHost } from '../oci/reference.ts';
import type { CredentialProvider } from '../upstream/auth/credentials.ts';
import type { TlsSettings, TlsTrust } from '../upstream/tls-trust.ts';
import { createUpstream, type NamedCredentials, type Upstream } from '../upstream/upstream.ts';
import type { OnWireEvent } from '../upstream/wire-event.ts';
import { overridden } from './overridden.ts';

export interface RegistryUpstreamSettings {
  readonly config: Config;
  readonly userAgent: string;
  /** Shared by all registries. */
  readonly trust: TlsTrust;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly observe?: OnWireEvent | undefined;
  /** In the place of the credentials, where there are several. */
  readonly accounts?: readonly NamedCredentials[] | undefined;
}

/** The registry over the network as the configuration says it: `registry` is undefined where that does not name it. */
export function openRegistryUpstream(
  host: RegistryHost,
  registry: RegistryConfig | undefined,
  credentials: CredentialProvider,
  settings: RegistryUpstreamSettings,
): Upstream {
  const { config, log } = settings;
  const { connectTimeout, stallTimeout, maxConcurrent, maxBandwidth } = overridden(
    config.upstream,
    registry?.upstream,
  );
  return createUpstream({
    host,
    scheme: schemeOf(registry),
    userAgent: settings.userAgent,
    credentials,
    accounts: settings.accounts,
    trustedRealms: registry?.auth.trustedRealms,
    tls: tlsSettings(config, registry),
    trust: settings.trust,
    pullTimeoutMs: config.pullTimeout,
    connectTimeoutMs: connectTimeout,
    stallTimeoutMs: stallTimeout,
    maxConcurrent,
    maxBandwidth,
    configured: registry !== undefined,
    unknownRegistries: config.unknownRegistries,
    clock: settings.clock,
    random: settings.random,
    onOddity: (message, fields) => log.warn({ upstream: host, ...fields }, message),
    observe: settings.observe,
  });
}

export function schemeOf(registry: RegistryConfig | undefined): 'https' | 'http' {
  return registry?.scheme ?? 'https';
}

export function tlsSettings(config: Config, registry: RegistryConfig | undefined): TlsSettings {
  const { ca: commonCa } = overridden(config.upstream, registry?.upstream);
  const { ca = '', cert = '', key = '', insecureSkipVerify } = registry?.tls ?? {};
  return {
    caFiles: [commonCa, ca].filter((file) => file !== ''),
    certFile: cert || undefined,
    keyFile: key || undefined,
    insecureSkipVerify,
  };
}

/** The configured registries by the host that stands in front of their names. */
export function registriesByHost({ registries }: Config): ReadonlyMap<RegistryHost, RegistryConfig> {
  return new Map(registries.map((registry) => [canonicalHost(parseRegistryHost(registry.name)), registry]));
}
