import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';
import type { Config, RegistryConfig } from '../config/schema.ts';
import { staticCredentials } from '../credentials/credentials.ts';
import { basicChallenge } from '../door/identity/challenges.ts';
import { type About, type Asking, Rights } from '../door/rights/rights.ts';
import type { Asker } from '../door/rights/shown-credential.ts';
import { RegistryError } from '../oci/error.ts';
import type { RegistryHost, RepositoryName } from '../oci/reference.ts';
import type { CallOptions, Registry } from '../oci/registry.ts';
import { own, type Wording, worded } from '../oci/wording.ts';
import { askFor } from '../registry/asked-for.ts';
import { GrantedRegistry } from '../registry/granted-registry.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { cachePolicy } from './policies.ts';
import type { CallersRegistry, Registries } from './registries.ts';

/** Where a registry does not say: an outage or an upgrade is over then, and who may not any more has lost it. Milliseconds. */
const usualStaleGrantMs = 3_600_000;
/** So many who ask are at hand of one registry, each with what he was answered: a third of a mebibyte; and so many whom it has not let have anything. */
const maxAskers = 50;
const maxStrangers = 10;
/** Of the manifests that name a blob so many are asked for before the blob itself. */
const maxManifests = 2;

export interface PassingRegistryParts {
  readonly registries: Registries;
  readonly metadata: Pick<MetadataStore, 'listManifestsOf'>;
  readonly clock: Clock;
}

/** A registry that says itself of each client what he may have. */
export class PassingRegistry {
  readonly #host: RegistryHost;
  readonly #parts: PassingRegistryParts;
  readonly #rights: Rights;
  readonly #askers = new LRUCache<string, CallersRegistry>({ max: maxAskers });
  /** Apart, so that a crowd of them pushes out nobody who was let. */
  readonly #strangers = new LRUCache<string, CallersRegistry>({ max: maxStrangers });

  constructor(host: RegistryHost, registry: RegistryConfig, config: Config, parts: PassingRegistryParts) {
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

/** He shows no user with a password, or not the right one. */
export function unauthorized(words: string | Wording, cause?: unknown): RegistryError {
  return new RegistryError('UNAUTHORIZED', words, { headers: { 'WWW-Authenticate': basicChallenge }, cause });
}
