import { failureOf, type Observer, type UpstreamKind, type UpstreamResult } from '../observe/observer.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/error.ts';
import type { Digest, Reference, RegistryHost, RepositoryName } from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  CallOptions,
  Manifest,
  ReferrersList,
  Registry,
  ResolveBlobOptions,
  ResolveManifestOptions,
  TagList,
  TagListOptions,
} from '../oci/registry.ts';

/** A registry whose calls are watched: each by its result and time, and the bytes that come. */
export class ObservedRegistry implements Registry {
  readonly #inner: Registry;
  readonly #host: RegistryHost;
  readonly #observer: Observer;

  constructor(inner: Registry, host: RegistryHost, observer: Observer) {
    this.#inner = inner;
    this.#host = host;
    this.#observer = observer;
  }

  async resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: ResolveManifestOptions,
  ): Promise<Descriptor> {
    const take = (manifest: Manifest): void => {
      this.#observer.upstreamBytes(this.#host, 'manifest', manifest.bytes.length);
      options?.take?.(manifest);
    };
    return await this.#call('manifest', options, async () =>
      this.#inner.resolveManifest(repository, reference, { ...options, take }),
    );
  }

  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Manifest> {
    const manifest = await this.#call('manifest', options, async () =>
      this.#inner.getManifest(repository, reference, options),
    );
    this.#observer.upstreamBytes(this.#host, 'manifest', manifest.bytes.length);
    return manifest;
  }

  async resolveBlob(
    repository: RepositoryName,
    digest: Digest,
    options?: ResolveBlobOptions,
  ): Promise<BlobInfo> {
    return await this.#call('blob', options, async () =>
      this.#inner.resolveBlob(repository, digest, options),
    );
  }

  /** A body that breaks off later is no failure of the call. */
  async getBlob(repository: RepositoryName, digest: Digest, options?: BlobOptions): Promise<BlobReader> {
    const reader = await this.#call('blob', options, async () =>
      this.#inner.getBlob(repository, digest, options),
    );
    return { ...reader, body: this.#counted(reader.body) };
  }

  async listTags(repository: RepositoryName, options?: TagListOptions): Promise<TagList> {
    return await this.#call('tags', options, async () => this.#inner.listTags(repository, options));
  }

  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options?: CallOptions,
  ): Promise<ReferrersList> {
    return await this.#call('referrers', options, async () =>
      this.#inner.listReferrers(repository, digest, options),
    );
  }

  async #call<Value>(
    kind: UpstreamKind,
    options: CallOptions | undefined,
    work: () => Promise<Value>,
  ): Promise<Value> {
    const startedAt = performance.now();
    let result: UpstreamResult = 'ok';
    try {
      return await work();
    } catch (error) {
      result = options?.signal?.aborted === true ? 'cut' : failureIn(error);
      throw error;
    } finally {
      const seconds = (performance.now() - startedAt) / 1000;
      this.#observer.upstreamCall({ host: this.#host, kind, result, seconds });
    }
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.#observer.upstreamBytes(this.#host, 'blob', chunk.length);
      yield chunk;
    }
  }
}

function failureIn(error: unknown): UpstreamResult {
  return error instanceof RegistryError ? failureOf(error.status) : 'error';
}
