import { RegistryError } from '../oci/error.ts';
import { type Digest, isDigest, type Reference, type RepositoryName } from '../oci/reference.ts';
import type { CallOptions, ReferrersList, Registry } from '../oci/registry.ts';
import type { AskedFor } from './asked-for.ts';
import { type WrappedCall, WrappingRegistry } from './wrapping-registry.ts';

/** What one who asks is let have, by the registry's own word. */
interface Granting {
  /** Settles where he may have it. `shownBy`: by what it is seen, in this order. Throws why he may not. */
  prove(
    repository: RepositoryName,
    asked: AskedFor,
    shownBy: () => Promise<readonly AskedFor[]>,
    signal: AbortSignal | undefined,
  ): Promise<void>;
  /** May he still, as far as the registry has said anything since? */
  holds(repository: RepositoryName): boolean;
  /** What he is told of an error. */
  told(error: unknown): unknown;
}

export interface GrantedSettings {
  /** What is cached, and what upstream gives him: asked for behind each proof. */
  readonly inner: () => Registry;
  readonly granting: Granting;
  /** Some cached manifests of the repository that name this blob. */
  readonly manifestsOf: (repository: RepositoryName, digest: Digest) => Promise<readonly Digest[]>;
}

/**
 * A registry as one who asks is let see it: whatever it has, he is given after upstream has let him have that, or what belongs to it. Upstream may take that back
 * while he waits, so it is looked at again before he is given anything. Nothing that he is given may be given again without that.
 */
export class GrantedRegistry extends WrappingRegistry {
  readonly #settings: GrantedSettings;

  constructor(settings: GrantedSettings) {
    super();
    this.#settings = settings;
  }

  /** Of what is not there, or not for him, nothing is listed: that says nothing. */
  override async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options?: CallOptions,
  ): Promise<ReferrersList> {
    try {
      return await super.listReferrers(repository, digest, options);
    } catch (error) {
      if (error instanceof RegistryError && error.status === 404) return { referrers: [] };
      throw error;
    }
  }

  protected override async call<Value, Options extends CallOptions>({
    repository,
    asked,
    options,
    of,
    letGo,
  }: WrappedCall<Value, Options>): Promise<Value> {
    const { inner, granting } = this.#settings;
    const own = { ...options, stands: undefined } as Options;
    const shownBy = async (): Promise<readonly AskedFor[]> => await this.#shownBy(repository, asked);
    try {
      await granting.prove(repository, asked, shownBy, options?.signal);
      const value = await of(inner(), own);
      if (granting.holds(repository)) return value;
      try {
        await granting.prove(repository, asked, shownBy, options?.signal);
        return value;
      } catch (error) {
        await letGo?.(value);
        throw error;
      }
    } catch (error) {
      throw granting.told(error);
    }
  }

  /**
   * A blob by a manifest that names it, since upstream may have the blob elsewhere, or slowly; where none is known, by itself. What refers to a manifest by that manifest.
   */
  async #shownBy(repository: RepositoryName, asked: AskedFor): Promise<readonly AskedFor[]> {
    const { kind, of } = asked;
    if (kind === 'referrers') return [{ kind: 'manifest', of }];
    if (kind !== 'blob' || !isDigest(of as Reference)) return [asked];
    const manifests = await this.#settings.manifestsOf(repository, of as Digest);
    return [...manifests.map((digest) => ({ kind: 'manifest', of: digest }) as const), asked];
  }
}
