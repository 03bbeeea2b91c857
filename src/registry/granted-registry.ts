import type { Descriptor } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/error.ts';
import { type Digest, isDigest, type Reference, type RepositoryName } from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  CallOptions,
  Manifest,
  ReferrersList,
  Registry,
  TagList,
  TagListOptions,
} from '../oci/registry.ts';
import type { AskedFor } from './asked-for.ts';

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
export class GrantedRegistry implements Registry {
  readonly #settings: GrantedSettings;

  constructor(settings: GrantedSettings) {
    this.#settings = settings;
  }

  async resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Descriptor> {
    return await this.#granted(repository, manifestAsked(reference), options, async (inner, own) =>
      inner.resolveManifest(repository, reference, own),
    );
  }

  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Manifest> {
    return await this.#granted(repository, manifestAsked(reference), options, async (inner, own) =>
      inner.getManifest(repository, reference, own),
    );
  }

  async resolveBlob(repository: RepositoryName, digest: Digest, options?: CallOptions): Promise<BlobInfo> {
    return await this.#granted(repository, { kind: 'blob', of: digest }, options, async (inner, own) =>
      inner.resolveBlob(repository, digest, own),
    );
  }

  async getBlob(repository: RepositoryName, digest: Digest, options?: BlobOptions): Promise<BlobReader> {
    return await this.#granted(
      repository,
      { kind: 'blob', of: digest },
      options,
      async (inner, own) => inner.getBlob(repository, digest, own),
      async (reader) => await reader[Symbol.asyncDispose](),
    );
  }

  async listTags(repository: RepositoryName, options?: TagListOptions): Promise<TagList> {
    return await this.#granted(repository, { kind: 'tags', of: '' }, options, async (inner, own) =>
      inner.listTags(repository, own),
    );
  }

  /** Of what is not there, or not for him, nothing is listed: that says nothing. */
  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options?: CallOptions,
  ): Promise<ReferrersList> {
    const asked = { kind: 'referrers', of: digest } as const;
    try {
      return await this.#granted(repository, asked, options, async (inner, own) =>
        inner.listReferrers(repository, digest, own),
      );
    } catch (error) {
      if (error instanceof RegistryError && error.status === 404) return { referrers: [] };
      throw error;
    }
  }

  async #granted<Value, Options extends CallOptions>(
    repository: RepositoryName,
    asked: AskedFor,
    options: Options | undefined,
    call: (inner: Registry, options: Options) => Promise<Value>,
    letGo: (value: Value) => Promise<void> = async () => {},
  ): Promise<Value> {
    const { inner, granting } = this.#settings;
    const own = { ...options, stands: undefined } as Options;
    const shownBy = async (): Promise<readonly AskedFor[]> => await this.#shownBy(repository, asked);
    try {
      await granting.prove(repository, asked, shownBy, options?.signal);
      const value = await call(inner(), own);
      if (granting.holds(repository)) return value;
      try {
        await granting.prove(repository, asked, shownBy, options?.signal);
        return value;
      } catch (error) {
        await letGo(value);
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

function manifestAsked(reference: Reference): AskedFor {
  return { kind: 'manifest', of: reference };
}
