import { LRUCache } from 'lru-cache';
import type { Config, RegistryConfig } from '../config/schema.ts';
import type { Observer } from '../observe/observer.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost, type RegistryHost } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';
import type { CacheParts } from '../registry/cache-parts.ts';
import { CachedRegistry } from '../registry/cached-registry.ts';
import { FallbackRegistry } from '../registry/fallback-registry.ts';
import { ObservedRegistry } from '../registry/observed-registry.ts';
import { OfflineRegistry } from '../registry/offline-registry.ts';
import { ProxyChoice } from '../upstream/proxy-choice.ts';
import { type TlsSettings, TlsTrust } from '../upstream/tls-trust.ts';
import { createUpstream } from '../upstream/upstream.ts';
import { cachePolicy } from './cache-policy.ts';
import { type MirrorAddress, mirrorPlace } from './mirrors.ts';
import { overridden } from './overridden.ts';
import { registryCredentials } from './registry-credentials.ts';

/**
 * So many registries that nobody configured are remembered; whoever asks for more names than these costs no more room. One that
 * is forgotten is made again when it is asked for, its transfers go on.
 */
const maxUnconfigured = 500;

export interface RegistriesSettings {
  readonly config: Config;
  readonly parts: CacheParts;
  readonly userAgent: string;
  readonly observer?: Observer | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** Where a registry is asked, and by which entry of the configuration: its own, or that of the registry whose mirror it is. */
interface Place extends MirrorAddress {
  /** Its own. Only this one's credentials and certificates are for it. */
  readonly registry: RegistryConfig | undefined;
  readonly lender?: RegistryConfig;
}

/** The cached registry of each host: made when it is first asked for. */
export class Registries implements AsyncDisposable {
  readonly #settings: RegistriesSettings;
  readonly #trust = new TlsTrust();
  readonly #configs: ReadonlyMap<RegistryHost, RegistryConfig>;
  readonly #configured = new Map<RegistryHost, CachedRegistry>();
  readonly #others = new LRUCache<RegistryHost, CachedRegistry>({ max: maxUnconfigured });
  /** Weak, so that what was forgotten and has nothing to do any more takes no room. */
  readonly #opened = new Set<WeakRef<Partial<AsyncDisposable>>>();
  readonly #collected = new FinalizationRegistry<WeakRef<Partial<AsyncDisposable>>>((opened) =>
    this.#opened.delete(opened),
  );

  constructor(settings: RegistriesSettings) {
    this.#settings = settings;
    this.#configs = new Map(settings.config.registries.map((registry) => [hostOf(registry), registry]));
  }

  of(host: RegistryHost): CachedRegistry {
    const known = this.#configured.get(host) ?? this.#others.get(host);
    if (known !== undefined) return known;
    const registry = this.#configs.get(host);
    const { config, parts } = this.#settings;
    const made = new CachedRegistry(this.#upstream(host, registry), cachePolicy(config, registry), parts);
    if (registry === undefined) this.#others.set(host, made);
    else this.#configured.set(host, made);
    return made;
  }

  #upstream(host: RegistryHost, registry: RegistryConfig | undefined): Registry {
    const { config, parts } = this.#settings;
    if (config.airGapped) return new OfflineRegistry();
    const itself = this.#open({ host, scheme: registry?.scheme ?? 'https', registry });
    if (registry === undefined || registry.endpoints.length === 0) return itself;
    const places = registry.endpoints.map((url) => mirrorPlace(url, host, [...this.#configs.values()]));
    const mirrors = places.map((place) => this.#open({ ...place, lender: registry }));
    return new FallbackRegistry(mirrors, itself, {
      onFallback: (at, error) =>
        parts.log.info({ upstream: host, mirror: places[at]?.host, err: error }, 'a mirror is passed over'),
    });
  }

  #open({ registry, lender, ...place }: Place): Registry {
    const { config, parts, userAgent, observer, env } = this.#settings;
    const { connectTimeout, stallTimeout, maxConcurrent, ca } = overridden(
      config.upstream,
      (registry ?? lender)?.upstream,
    );
    const proxies = proxiesOf(config, registry ?? lender, env);
    const credentials = registryCredentials(registry, { ...parts, env, proxies });
    const upstream = createUpstream({
      ...place,
      userAgent,
      credentials,
      trustedRealms: registry?.auth.trustedRealms,
      tls: registry === undefined ? authoritiesOf(lender, ca) : tlsOf(registry, ca),
      trust: this.#trust,
      pullTimeoutMs: config.pullTimeout,
      connectTimeoutMs: connectTimeout,
      stallTimeoutMs: stallTimeout,
      maxConcurrent,
      proxies,
      configured: registry !== undefined || lender !== undefined,
      unknownRegistries: config.unknownRegistries,
      clock: parts.clock,
      random: parts.random,
      onOddity: (message, fields) => parts.log.warn({ upstream: place.host, ...fields }, message),
    });
    this.#remember(upstream);
    this.#remember(credentials);
    return observer === undefined ? upstream : new ObservedRegistry(upstream, place.host, observer);
  }

  #remember(opened: Partial<AsyncDisposable>): void {
    const reference = new WeakRef(opened);
    this.#opened.add(reference);
    this.#collected.register(opened, reference);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#opened].map(async (opened) => await opened.deref()?.[Symbol.asyncDispose]?.()),
    );
  }
}

/** Throws what is wrong with the proxies of the environment, before anything listens. */
export function checkProxies(config: Config, env: NodeJS.ProcessEnv): void {
  if (!config.airGapped) proxiesOf(config, undefined, env);
}

function proxiesOf(
  config: Config,
  registry: RegistryConfig | undefined,
  env: NodeJS.ProcessEnv,
): ProxyChoice {
  const { proxy, noProxy } = overridden(config.upstream, registry?.upstream);
  return new ProxyChoice({ proxy: proxy?.reveal(), noProxy, env });
}

function hostOf({ name }: RegistryConfig): RegistryHost {
  return canonicalHost(parseRegistryHost(name));
}

function tlsOf(registry: RegistryConfig, commonCa: string): TlsSettings {
  const { cert, key, insecureSkipVerify } = registry.tls;
  return {
    ...authoritiesOf(registry, commonCa),
    certFile: cert || undefined,
    keyFile: key || undefined,
    insecureSkipVerify,
  };
}

/** Whom a registry's hosts may be certified by; nothing of ours is shown to them. */
function authoritiesOf(registry: RegistryConfig | undefined, commonCa: string): TlsSettings {
  return { caFiles: [commonCa, registry?.tls.ca ?? ''].filter((file) => file !== '') };
}
