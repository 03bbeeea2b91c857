import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config, RegistryConfig } from '../config/schema.ts';
import type { CredentialProvider } from '../credentials/credentials.ts';
import type { NameLookups } from '../net/dial/name-lookups.ts';
import type { ProxyChoice } from '../net/dial/proxy-choice.ts';
import type { SocketLimit } from '../net/dial/socket-limit.ts';
import type { TlsSettings, TlsTrust } from '../net/dial/tls-trust.ts';
import type { ReceiveBuffers } from '../net/wire/receive-buffer.ts';
import type { OnWireEvent } from '../net/wire-event.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost, type RegistryHost } from '../oci/reference.ts';
import {
  createSharedUpstream,
  createUpstream,
  type NamedCredentials,
  type SharedUpstream,
  type Upstream,
  type UpstreamSettings,
} from '../upstream/upstream.ts';
import { overridden } from './policies.ts';

type MirrorAddress = Pick<UpstreamSettings, 'host' | 'scheme' | 'mirror'>;

/** Where a registry is asked, and by which entry of the configuration: its own, or that of the registry whose mirror it is. */
export interface Place extends MirrorAddress {
  /** Its own. Only this one's credentials and certificates are for it. */
  readonly registry: RegistryConfig | undefined;
  readonly lender?: RegistryConfig;
}

export interface RegistryUpstreamSettings {
  readonly config: Config;
  readonly userAgent: string;
  /** Shared by all registries. */
  readonly trust: TlsTrust;
  /** Likewise. */
  readonly names: NameLookups;
  readonly sockets?: SocketLimit;
  readonly receiveBuffers?: ReceiveBuffers;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Those of the place. */
  readonly proxies: ProxyChoice;
  readonly observe?: OnWireEvent | undefined;
  /** In the place of the credentials, where there are several. */
  readonly accounts?: readonly NamedCredentials[] | undefined;
}

/** The registry over the network as the configuration says it. */
export function openRegistryUpstream(
  place: Place,
  credentials: CredentialProvider,
  settings: RegistryUpstreamSettings,
): Upstream {
  return createUpstream({
    ...upstreamSettings(place, settings),
    credentials,
    accounts: settings.accounts,
  });
}

/** The same for many who ask, each by a credential of his own. */
export function openSharedUpstream(place: Place, settings: RegistryUpstreamSettings): SharedUpstream {
  return createSharedUpstream(upstreamSettings(place, settings));
}

function upstreamSettings(
  { registry, lender, ...address }: Place,
  settings: RegistryUpstreamSettings,
): Omit<UpstreamSettings, 'credentials' | 'accounts'> {
  const { config, log } = settings;
  const entry = registry ?? lender;
  const { connectTimeout, stallTimeout, maxConcurrent, maxBandwidth, blobsOverHttp } = overridden(
    config.upstream,
    entry?.upstream,
  );
  return {
    ...address,
    userAgent: settings.userAgent,
    trustedRealms: registry?.auth.trustedRealms,
    tls: tlsSettings(config, registry, lender),
    trust: settings.trust,
    names: settings.names,
    sockets: settings.sockets,
    receiveBuffers: settings.receiveBuffers,
    pullTimeoutMs: config.pullTimeout,
    connectTimeoutMs: connectTimeout,
    stallTimeoutMs: stallTimeout,
    maxConcurrent,
    maxBandwidth,
    blobsOverHttp,
    proxies: settings.proxies,
    configured: entry !== undefined,
    unknownRegistries: config.unknownRegistries,
    clock: settings.clock,
    random: settings.random,
    onOddity: (message, fields, level = 'warn') => log[level]({ upstream: address.host, ...fields }, message),
    observe: settings.observe,
  };
}

/** Where a registry itself is. */
export function placeOf(host: RegistryHost, registry: RegistryConfig | undefined): Place {
  return { host, scheme: registry?.scheme ?? 'https', registry };
}

/** Where its mirrors are, in the order of `endpoints`. */
export function mirrorPlacesOf(
  host: RegistryHost,
  registry: RegistryConfig | undefined,
  { registries }: Config,
): Place[] {
  if (registry === undefined) return [];
  return registry.endpoints.map((url) => ({ ...mirrorPlace(url, host, registries), lender: registry }));
}

/**
 * Where a mirror's API is, by its URL in `endpoints`, and the entry under `registries` that is about the same origin: no other's
 * credentials are for it. A path is a prefix of the repositories: `https://h/proxy` and `https://h/v2/proxy` are
 * `https://h/v2/proxy/library/alpine/…`; one that names `v2` itself is taken as it is: `https://h/docker/v2`.
 */
export function mirrorPlace(
  text: string,
  of: RegistryHost,
  registries: readonly RegistryConfig[],
): MirrorAddress & { readonly registry: RegistryConfig | undefined } {
  const url = new URL(text);
  const path = url.pathname.replace(/\/+$/, '');
  return {
    host: parseRegistryHost(url.host),
    scheme: url.protocol === 'https:' ? 'https' : 'http',
    mirror: { path: path.split('/').includes('v2') ? path : `/v2${path}`, of },
    registry: registries.find(({ scheme, name }) => new URL(`${scheme}://${name}`).origin === url.origin),
  };
}

/** A mirror without an entry of its own is believed whom the registry's hosts are; nothing of ours is shown to it. */
export function tlsSettings(
  config: Config,
  registry: RegistryConfig | undefined,
  lender?: RegistryConfig,
): TlsSettings {
  const entry = registry ?? lender;
  const { ca } = overridden(config.upstream, entry?.upstream);
  const caFiles = [ca, entry?.tls.ca ?? ''].filter((file) => file !== '');
  if (registry === undefined) return { caFiles };
  const { cert, key, insecureSkipVerify } = registry.tls;
  return { caFiles, certFile: cert || undefined, keyFile: key || undefined, insecureSkipVerify };
}

/** The configured registries by the host that stands in front of their names. */
export function registriesByHost({ registries }: Config): ReadonlyMap<RegistryHost, RegistryConfig> {
  return new Map(registries.map((registry) => [canonicalHost(parseRegistryHost(registry.name)), registry]));
}
