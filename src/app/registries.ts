import { LRUCache } from 'lru-cache';
import type { CacheParts, CachePolicy } from '../cache/cache-parts.ts';
import { CachedRegistry } from '../cache/cached-registry.ts';
import { partsOfCaller } from '../cache/parts-of-caller.ts';
import type { Config, RegistryConfig } from '../config/schema.ts';
import type { CredentialProvider } from '../credentials/credentials.ts';
import type { NameLookups } from '../net/dial/name-lookups.ts';
import type { SocketLimit } from '../net/dial/socket-limit.ts';
import type { TlsTrust } from '../net/dial/tls-trust.ts';
import { ReceiveBuffers } from '../net/wire/receive-buffer.ts';
import type { AccountQuota, Observer } from '../observe/observer.ts';
import { hostedHost, type RegistryHost } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';
import { FallbackRegistry } from '../registry/fallback-registry.ts';
import { ObservedRegistry } from '../registry/observed-registry.ts';
import { OfflineRegistry } from '../registry/offline-registry.ts';
import { TellingRegistry, type TellOfError } from '../registry/telling-registry.ts';
import { UnaskedRegistry } from '../registry/unasked-registry.ts';
import type { SharedUpstream, Upstream } from '../upstream/upstream.ts';
import type { MemoryPlan } from './memory-plan.ts';
import { cachePolicy, callersPolicy, hostedPolicy, proxiesOf } from './policies.ts';
import { registryAccounts } from './registry-accounts.ts';
import { registryCredentials } from './registry-credentials.ts';
import {
  mirrorPlacesOf,
  openRegistryUpstream,
  openSharedUpstream,
  type Place,
  placeOf,
  registriesByHost,
} from './registry-upstream.ts';

/**
 * So many registries that nobody configured are remembered; whoever asks for more names than these costs no more room. One that
 * is forgotten is made again when it is asked for, its transfers go on.
 */
const maxUnconfigured = 500;

export interface RegistriesSettings {
  readonly config: Config;
  readonly parts: CacheParts;
  readonly memory: Pick<MemoryPlan, 'receiveBuffers'>;
  readonly userAgent: string;
  readonly names: NameLookups;
  /** One for the process. */
  readonly trust: TlsTrust;
  readonly sockets: SocketLimit;
  readonly observer?: Observer | undefined;
  readonly env: NodeJS.ProcessEnv;
}

interface Opened {
  readonly cached: CachedRegistry;
  /** None in an air gap, of what lives here, and where clients are asked in whose name. */
  readonly upstream: Upstream | undefined;
  readonly mayRevalidate: () => boolean;
}

/** Whoever asks a registry by a credential of his own. */
export interface RegistryCaller {
  /** As in {@link partsOfCaller}. */
  readonly key: string;
  readonly credentials: CredentialProvider;
  /** Told of what it answers him with. */
  readonly tellOfError: TellOfError;
}

/** A registry as one caller has it. */
export interface CallersRegistry {
  /** What is cached, and what the registry gives him. */
  readonly cached: CachedRegistry;
  /** The registry, asked in his name; nobody is told of what it answers. */
  readonly asked: Registry;
  readonly upstream: Upstream;
}

/** The cached registry of each host: made when it is first asked for. */
export class Registries implements AsyncDisposable {
  readonly #settings: RegistriesSettings;
  readonly #buffers: ReceiveBuffers;
  readonly #configs: ReadonlyMap<RegistryHost, RegistryConfig>;
  readonly #configured = new Map<RegistryHost, Opened>();
  readonly #others = new LRUCache<RegistryHost, Opened>({ max: maxUnconfigured });
  readonly #shared = new Map<RegistryHost, SharedUpstream>();
  /** Weak, so that what was forgotten and has nothing to do any more takes no room. */
  readonly #alive = new Set<WeakRef<Partial<AsyncDisposable>>>();
  readonly #collected = new FinalizationRegistry<WeakRef<Partial<AsyncDisposable>>>((opened) =>
    this.#alive.delete(opened),
  );

  constructor(settings: RegistriesSettings) {
    this.#settings = settings;
    this.#buffers = new ReceiveBuffers(settings.memory.receiveBuffers);
    this.#configs = registriesByHost(settings.config);
  }

  of(host: RegistryHost): CachedRegistry {
    return this.#opened(host).cached;
  }

  /** May it be asked at nobody's request? */
  asksByItself(host: RegistryHost): boolean {
    return this.#configs.get(host)?.authorization !== 'passThrough';
  }

  /** One that is configured with `passThrough`, as one caller has it. */
  asCaller(host: RegistryHost, { key, credentials, tellOfError }: RegistryCaller): CallersRegistry {
    const { config, parts } = this.#settings;
    const registry = this.#configs.get(host);
    const upstream = this.#sharedOf(host, registry).as(credentials);
    this.#remember(upstream);
    const asked = this.#observed(upstream, host);
    const policy: CachePolicy = {
      ...cachePolicy(config, registry),
      ...callersPolicy,
      mayRevalidate: () => upstream.admitsRevalidation(),
    };
    const source = new TellingRegistry(asked, tellOfError);
    return { cached: new CachedRegistry(source, policy, partsOfCaller(parts, key)), asked, upstream };
  }

  #sharedOf(host: RegistryHost, registry: RegistryConfig | undefined): SharedUpstream {
    const known = this.#shared.get(host);
    if (known !== undefined) return known;
    const { config, parts, userAgent, names, sockets, trust, env } = this.#settings;
    const { clock, random, log } = parts;
    const proxies = proxiesOf(config, registry, env);
    const common = { config, userAgent, names, trust, clock, random, log, proxies, sockets };
    const opened = openSharedUpstream(placeOf(host, registry), { ...common, receiveBuffers: this.#buffers });
    this.#shared.set(host, opened);
    return opened;
  }

  /** May it be asked about what is cached, as {@link CachePolicy.mayRevalidate} says? */
  mayRevalidate(host: RegistryHost): boolean {
    return this.#opened(host).mayRevalidate();
  }

  #opened(host: RegistryHost): Opened {
    const known = this.#configured.get(host) ?? this.#others.get(host);
    if (known !== undefined) return known;
    const registry = this.#configs.get(host);
    const made = this.#make(host, registry);
    if (registry === undefined) this.#others.set(host, made);
    else this.#configured.set(host, made);
    return made;
  }

  /** What is left of the quotas that registries have told. */
  *quotas(): Generator<AccountQuota> {
    for (const [host, { upstream }] of [...this.#configured, ...this.#others.entries()]) {
      for (const [index, quota] of (upstream?.quotas ?? []).entries()) {
        if (quota !== undefined) yield { host, account: index + 1, ...quota };
      }
    }
  }

  #make(host: RegistryHost, registry: RegistryConfig | undefined): Opened {
    const { config, parts } = this.#settings;
    const policy = cachePolicy(config, registry);
    if (host === hostedHost)
      return {
        cached: new CachedRegistry(OfflineRegistry.ofHosted(), { ...policy, ...hostedPolicy }, parts),
        upstream: undefined,
        mayRevalidate: () => false,
      };
    if (config.airGapped) {
      const offline = new OfflineRegistry((repository, reference) =>
        parts.misses.note(repository, reference),
      );
      const cached = new CachedRegistry(offline, policy, parts);
      return { cached, upstream: undefined, mayRevalidate: () => false };
    }
    if (!this.asksByItself(host))
      return {
        cached: new CachedRegistry(new UnaskedRegistry(), { ...policy, ...callersPolicy }, parts),
        upstream: undefined,
        mayRevalidate: () => false,
      };
    const upstream = this.#upstream(placeOf(host, registry));
    // Mirrors are asked first, whose quotas are others.
    const hasMirrors = registry !== undefined && registry.endpoints.length > 0;
    const mayRevalidate = (): boolean => hasMirrors || upstream.admitsRevalidation();
    const source = this.#behindMirrors(this.#observed(upstream, host), host, registry);
    const cached = new CachedRegistry(source, { ...policy, mayRevalidate }, parts);
    return { cached, upstream, mayRevalidate };
  }

  #behindMirrors(itself: Registry, host: RegistryHost, registry: RegistryConfig | undefined): Registry {
    const { config, parts } = this.#settings;
    const places = mirrorPlacesOf(host, registry, config);
    if (places.length === 0) return itself;
    const mirrors = places.map((place) => this.#observed(this.#upstream(place), place.host));
    return new FallbackRegistry(mirrors, itself, {
      onFallback: (at, error) =>
        parts.log.info({ upstream: host, mirror: places[at]?.host, err: error }, 'a mirror is passed over'),
    });
  }

  #upstream(place: Place): Upstream {
    const { config, parts, userAgent, names, sockets, trust, env } = this.#settings;
    const { clock, random, log } = parts;
    const proxies = proxiesOf(config, place.registry ?? place.lender, env);
    const common = { config, userAgent, names, trust, clock, random, log, proxies };
    const credentials = registryCredentials(place.registry, { ...common, sockets, env });
    const upstream = openRegistryUpstream(place, credentials, {
      ...common,
      sockets,
      receiveBuffers: this.#buffers,
      accounts: registryAccounts(place.registry, credentials, parts),
    });
    this.#remember(upstream);
    this.#remember(credentials);
    return upstream;
  }

  #observed(upstream: Registry, host: RegistryHost): Registry {
    const { observer } = this.#settings;
    return observer === undefined ? upstream : new ObservedRegistry(upstream, host, observer);
  }

  #remember(opened: Partial<AsyncDisposable>): void {
    const reference = new WeakRef(opened);
    this.#alive.add(reference);
    this.#collected.register(opened, reference);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#alive].map(async (opened) => await opened.deref()?.[Symbol.asyncDispose]?.()),
    );
    // Behind those who ask by them.
    await Promise.all([...this.#shared.values()].map(async (shared) => await shared[Symbol.asyncDispose]()));
  }
}
