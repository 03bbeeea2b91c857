import { LRUCache } from 'lru-cache';
import type { Config, RegistryConfig } from '../config/schema.ts';
import type { Observer } from '../observe/observer.ts';
import type { RegistryHost } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';
import type { CacheParts } from '../registry/cache-parts.ts';
import { CachedRegistry } from '../registry/cached-registry.ts';
import { FallbackRegistry } from '../registry/fallback-registry.ts';
import { ObservedRegistry } from '../registry/observed-registry.ts';
import { OfflineRegistry } from '../registry/offline-registry.ts';
import { TlsTrust } from '../upstream/tls-trust.ts';
import { cachePolicy } from './cache-policy.ts';
import { mirrorPlace } from './mirrors.ts';
import { proxiesOf } from './proxies.ts';
import { registryCredentials } from './registry-credentials.ts';
import { openRegistryUpstream, type Place, placeOf, registriesByHost } from './registry-upstream.ts';

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
    this.#configs = registriesByHost(settings.config);
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
    const itself = this.#open(placeOf(host, registry));
    if (registry === undefined || registry.endpoints.length === 0) return itself;
    const places = registry.endpoints.map((url) => mirrorPlace(url, host, [...this.#configs.values()]));
    const mirrors = places.map((place) => this.#open({ ...place, lender: registry }));
    return new FallbackRegistry(mirrors, itself, {
      onFallback: (at, error) =>
        parts.log.info({ upstream: host, mirror: places[at]?.host, err: error }, 'a mirror is passed over'),
    });
  }

  #open(place: Place): Registry {
    const { config, parts, userAgent, observer, env } = this.#settings;
    const { clock, random, log } = parts;
    const proxies = proxiesOf(config, place.registry ?? place.lender, env);
    const credentials = registryCredentials(place.registry, { clock, random, log, env, proxies });
    const upstream = openRegistryUpstream(place, credentials, {
      ...{ config, userAgent, clock, random, log, env },
      trust: this.#trust,
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
