import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';
import type { Config, RegistryConfig } from '../config/schema.ts';
import { staticCredentials } from '../credentials/credentials.ts';
import { basicChallenge } from '../door/identity/challenges.ts';
import { type About, type Asking, Rights } from '../door/rights/rights.ts';
import { type Asker, ShownCredentials } from '../door/rights/shown-credential.ts';
import type { Caller } from '../http/authorise.ts';
import type { OwnRights } from '../http/own-rights.ts';
import type { TargetSettings } from '../http/target.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { RegistryError } from '../oci/error.ts';
import { hostOf, parseRegistryHost, type RegistryHost, type RepositoryName } from '../oci/reference.ts';
import type { CallOptions, Registry } from '../oci/registry.ts';
import { own, type Wording, worded } from '../oci/wording.ts';
import { askFor } from '../registry/asked-for.ts';
import { GrantedRegistry } from '../registry/granted-registry.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { cachePolicy } from './policies.ts';
import type { CallersRegistry, Registries } from './registries.ts';
import { registriesByHost } from './registry-upstream.ts';
import { targetSettings } from './target-settings.ts';

/** Where a registry does not say: an outage or an upgrade is over then, and who may not any more has lost it. Milliseconds. */
const usualStaleGrantMs = 3_600_000;
/** So many who ask are at hand of one registry, each with what he was answered: a third of a mebibyte; and so many whom it has not let have anything. */
const maxAskers = 50;
const maxStrangers = 10;
/** Of the manifests that name a blob so many are asked for before the blob itself. */
const maxManifests = 2;

export interface PassThroughParts {
  readonly registries: Registries;
  readonly metadata: Pick<MetadataStore, 'listManifestsOf'>;
  readonly clock: Clock;
}

/** The registries with `authorization: passThrough`. */
export function openPassThrough(config: Config, parts: PassThroughParts): PassThrough {
  const passing = [...registriesByHost(config)].filter(
    ([, { authorization }]) => authorization === 'passThrough',
  );
  return new PassThrough(config, passing, parts);
}

export class PassThrough {
  readonly #config: Config;
  readonly #target: TargetSettings;
  readonly #byHost: ReadonlyMap<RegistryHost, PassingRegistry>;
  readonly #shown = new ShownCredentials();

  constructor(
    config: Config,
    passing: readonly (readonly [RegistryHost, RegistryConfig])[],
    parts: PassThroughParts,
  ) {
    this.#config = config;
    this.#target = targetSettings(config);
    this.#byHost = new Map(
      passing.map(([host, registry]) => [host, new PassingRegistry(host, registry, config, parts)]),
    );
  }

  get hosts(): readonly RegistryHost[] {
    return [...this.#byHost.keys()];
  }

  /** What a name means, for whoever asks in nobody's name: nothing of these. */
  withoutThem(
    named: (name: string) => RepositoryName | undefined,
  ): (name: string) => RepositoryName | undefined {
    return (name) => {
      const repository = named(name);
      return repository !== undefined && this.#byHost.has(hostOf(repository)) ? undefined : repository;
    };
  }

  /** As it is for whoever comes by that door. */
  at(at: 'port' | number): OwnRights {
    const takesNothing = at !== 'port' && this.#config.listeners[at]?.auth?.length === 0;
    return {
      registryFor: (repository, caller) => {
        const registry = this.#byHost.get(hostOf(repository));
        if (registry === undefined) return undefined;
        if (takesNothing) throw notHere();
        return registry.as(this.#askerOf(caller));
      },
      login: async (named, caller, options) => {
        if (takesNothing || this.#namesAnother(named)) return;
        const asker = this.#askerOf(caller);
        await this.#meant(named)?.login(asker, options);
      },
    };
  }

  #askerOf({ authorization, address }: Caller): Asker {
    const asker = this.#shown.of(authorization, address);
    if (asker === undefined) throw unauthorized('a user and a password are needed for this registry');
    return asker;
  }

  /** Does he say that he comes for a registry that is the same for all? */
  #namesAnother(named: string | undefined): boolean {
    const host = this.#hostNamed(named);
    return host !== undefined && !this.#byHost.has(host);
  }

  /** The one whose password it is. Undefined: that cannot be said, and nobody is shown it. */
  #meant(named: string | undefined): PassingRegistry | undefined {
    const { defaultNs } = this.#target;
    const host = this.#hostNamed(named) ?? defaultNs;
    const meant = host === undefined ? undefined : this.#byHost.get(host);
    return meant ?? (this.#byHost.size === 1 ? [...this.#byHost.values()][0] : undefined);
  }

  /** Undefined: he says nothing of it that could be one, or means this server. */
  #hostNamed(named: string | undefined): RegistryHost | undefined {
    if (named === undefined) return undefined;
    try {
      const host = parseRegistryHost(named);
      return host === this.#target.own ? undefined : canonicalHost(host);
    } catch (error) {
      if (error instanceof RegistryError) return undefined;
      throw error;
    }
  }
}

/** One of them. */
class PassingRegistry {
  readonly #host: RegistryHost;
  readonly #parts: PassThroughParts;
  readonly #rights: Rights;
  readonly #askers = new LRUCache<string, CallersRegistry>({ max: maxAskers });
  /** Apart, so that a crowd of them pushes out nobody who was let. */
  readonly #strangers = new LRUCache<string, CallersRegistry>({ max: maxStrangers });

  constructor(host: RegistryHost, registry: RegistryConfig, config: Config, parts: PassThroughParts) {
    this.#host = host;
    this.#parts = parts;
    this.#rights = new Rights({
      clock: parts.clock,
      staleGrantMs: registry.staleGrant ?? usualStaleGrantMs,
      patienceMs: cachePolicy(config, registry).staleDeadline,
    });
  }

  /** What it has, as he is let see it. */
  as(asker: Asker): Registry {
    const askingFor = (repository: RepositoryName): Asking => this.#asking(asker, repository);
    return new GrantedRegistry({
      inner: () => this.#registryOf(asker).cached,
      granting: {
        prove: async (repository, about, shownBy, signal) => {
          await this.#rights.prove(askingFor(repository), about, shownBy, signal);
          this.#keep(asker);
        },
        holds: (repository) => this.#rights.holds(askingFor(repository)),
        told,
      },
      manifestsOf: async (repository, digest) =>
        await this.#parts.metadata.listManifestsOf(repository, digest, maxManifests),
    });
  }

  /** Throws UNAUTHORIZED where it does not know him. */
  async login(asker: Asker, { signal }: CallOptions): Promise<void> {
    const about: About = { kind: 'version', of: '' };
    const ask = async (): Promise<void> => {
      const { upstream } = this.#registryOf(asker);
      upstream.presentAnew(undefined);
      await upstream.ping();
    };
    try {
      await this.#rights.prove({ asker, repository: '', ask }, about, async () => [about], signal);
    } catch (error) {
      throw told(error);
    }
  }

  /** Nothing is made for him before he is asked about. */
  #asking(asker: Asker, repository: RepositoryName): Asking {
    return {
      asker,
      repository,
      ask: async ({ kind, of }) => {
        const { asked, upstream } = this.#registryOf(asker);
        upstream.presentAnew(repository);
        if (kind !== 'version') await askFor(asked, repository, { kind, of });
      },
    };
  }

  #registryOf(asker: Asker): CallersRegistry {
    const { key, user: username, password } = asker;
    const known = this.#askers.get(key) ?? this.#strangers.get(key);
    if (known !== undefined) return known;
    const made = this.#parts.registries.asCaller(this.#host, {
      key,
      credentials: staticCredentials({ kind: 'basic', username, password }),
      tellOfError: async (repository, about, error) =>
        await this.#rights.answered(this.#asking(asker, repository), about, error),
    });
    this.#strangers.set(key, made);
    return made;
  }

  #keep({ key }: Asker): void {
    const stranger = this.#strangers.get(key);
    if (stranger === undefined) return;
    this.#strangers.delete(key);
    this.#askers.set(key, stranger);
  }
}

/** What upstream denies him is about what he has shown: he is asked for it by us, and hears nothing of how upstream asks. */
function told(error: unknown): unknown {
  if (!(error instanceof RegistryError) || (error.status !== 401 && error.status !== 403)) return error;
  const words = 'the registry does not let this user, with this password, have it';
  return unauthorized(worded`${words}${own(`: ${error.forOperator}`)}`, error);
}

function unauthorized(words: string | Wording, cause?: unknown): RegistryError {
  return new RegistryError('UNAUTHORIZED', words, { headers: { 'WWW-Authenticate': basicChallenge }, cause });
}

function notHere(): RegistryError {
  return new RegistryError('DENIED', 'this registry is not served by this port, which takes no passwords');
}
