import type { Config, RegistryConfig } from '../config/schema.ts';
import { type Asker, ShownCredentials } from '../door/rights/shown-credential.ts';
import type { Caller } from '../http/authorise.ts';
import type { OwnRights } from '../http/own-rights.ts';
import type { TargetSettings } from '../http/target.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { RegistryError } from '../oci/error.ts';
import { hostOf, parseRegistryHost, type RegistryHost, type RepositoryName } from '../oci/reference.ts';
import { PassingRegistry, type PassingRegistryParts, unauthorized } from './passing-registry.ts';
import { registriesByHost } from './registry-upstream.ts';
import { targetSettings } from './target-settings.ts';

/** The registries with `authorization: passThrough`. */
export function openPassThrough(config: Config, parts: PassingRegistryParts): PassThrough {
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
    parts: PassingRegistryParts,
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
    if (asker === undefined)
      throw unauthorized(
        'log in to this server (docker login) with the user and the password that you have at the registry',
      );
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

function notHere(): RegistryError {
  return new RegistryError(
    'DENIED',
    'this port takes no passwords, and has nothing of this registry: use the port of this server that takes them',
  );
}
