import type { Descriptor } from '#src/oci/descriptor.ts';
import type { Digest, Reference, RepositoryName } from '#src/oci/reference.ts';
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
} from '#src/oci/registry.ts';

/** What happens to one call; `undefined` lets it through. */
export type Script = (call: string) => Promise<unknown> | unknown;

/** Any registry as an upstream that tests can watch, stop at a gate and make fail. */
export class ScriptedRegistry implements Registry {
  /** Every call that reached it: `GET docker.io/library/a manifest v1`. */
  readonly calls: string[] = [];
  /** Awaited before each call is answered; may throw. */
  script: Script = () => undefined;
  /** Wraps the body of each blob that is given. */
  body: (chunks: AsyncIterable<Uint8Array>, call: string) => AsyncIterable<Uint8Array> = (chunks) => chunks;
  /** What to say of a blob's size. */
  size: (size: number | undefined) => number | undefined = (size) => size;
  /** Stands between a list and its answer. */
  tags: (next: () => Promise<TagList>) => Promise<TagList> = async (next) => await next();
  referrers: (next: () => Promise<ReferrersList>) => Promise<ReferrersList> = async (next) => await next();
  readonly #inner: Registry;

  constructor(inner: Registry) {
    this.#inner = inner;
  }

  async resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: ResolveManifestOptions,
  ): Promise<Descriptor> {
    await this.#call(`HEAD ${repository} manifest ${reference}`);
    return await this.#inner.resolveManifest(repository, reference, options);
  }

  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    { room }: CallOptions = {},
  ): Promise<Manifest> {
    await this.#call(`GET ${repository} manifest ${reference}`);
    return await this.#inner.getManifest(repository, reference, { room });
  }

  async resolveBlob(
    repository: RepositoryName,
    digest: Digest,
    options?: ResolveBlobOptions,
  ): Promise<BlobInfo> {
    await this.#call(`HEAD ${repository} blob ${digest}`);
    return await this.#inner.resolveBlob(repository, digest, options);
  }

  async getBlob(repository: RepositoryName, digest: Digest, options: BlobOptions = {}): Promise<BlobReader> {
    const range = options.range === undefined ? '' : ` ${JSON.stringify(options.range)}`;
    const call = `GET ${repository} blob ${digest}${range}`;
    await this.#call(call);
    options.signal?.throwIfAborted();
    const reader = await this.#inner.getBlob(repository, digest, options);
    return {
      digest,
      size: this.size(reader.size),
      range: reader.range,
      body: this.body(reader.body, call),
      ...(reader.leavePlace && { leavePlace: reader.leavePlace }),
      ...(reader.putOffPlace && { putOffPlace: reader.putOffPlace }),
      [Symbol.asyncDispose]: async () => await reader[Symbol.asyncDispose](),
    };
  }

  async listTags(repository: RepositoryName, { n, last, room }: TagListOptions = {}): Promise<TagList> {
    const part = `${n === undefined ? '' : ` n=${n}`}${last === undefined ? '' : ` last=${last}`}`;
    await this.#call(`LIST ${repository} tags${part}`);
    return await this.tags(async () => await this.#inner.listTags(repository, { n, last, room }));
  }

  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    { room }: CallOptions = {},
  ): Promise<ReferrersList> {
    await this.#call(`LIST ${repository} referrers ${digest}`);
    return await this.referrers(async () => await this.#inner.listReferrers(repository, digest, { room }));
  }

  async #call(call: string): Promise<void> {
    this.calls.push(call);
    await this.script(call);
  }
}

/** Lets the first `bytes` through, then throws. */
export async function* cut(
  chunks: AsyncIterable<Uint8Array>,
  bytes: number,
  error: Error,
): AsyncIterable<Uint8Array> {
  let left = bytes;
  for await (const chunk of chunks) {
    if (chunk.length > left) {
      if (left > 0) yield chunk.subarray(0, left);
      throw error;
    }
    left -= chunk.length;
    yield chunk;
  }
}

/** A gate that a script waits at until the test opens it. */
export function gate(): {
  readonly passed: Promise<void>;
  readonly open: () => void;
  readonly reached: Promise<void>;
  wait: () => Promise<void>;
} {
  const passed = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  return {
    passed: passed.promise,
    open: passed.resolve,
    reached: reached.promise,
    async wait() {
      reached.resolve();
      await passed.promise;
    },
  };
}
