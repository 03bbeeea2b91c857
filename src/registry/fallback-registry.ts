import { LRUCache } from 'lru-cache';
import { NoRoom } from '../oci/busy.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/error.ts';
import { contentKey, type Digest, type Reference, type RepositoryName } from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  CallOptions,
  Cut,
  Manifest,
  ReferrersList,
  Registry,
  ResolveBlobOptions,
  ResolveManifestOptions,
  TagList,
  TagListOptions,
} from '../oci/registry.ts';
import { Stopping } from '../oci/stopping.ts';

/** Where a blob that broke off is to be had next. */
interface Resumption {
  readonly from: number;
  /** How often it broke off there. */
  readonly cuts: number;
  /** Those before that hardly got on, and are asked when none from there on gives it. */
  readonly slow: readonly number[];
}

export interface FallbackSettings {
  /** Told of each mirror that was passed over, by its place in the order. */
  readonly onFallback?: ((mirror: number, error: RegistryError) => void) | undefined;
}

/** So many blobs that broke off are remembered. */
const maxResumptions = 1000;

/**
 * Mirrors of a registry, asked in order, then the registry itself, whose error is the one that counts. Whatever a mirror
 * answers but what was asked for, the next is asked: it may be down, limited, closed to us or incomplete. A blob that breaks off
 * is resumed, by whoever reads it, where it came from; the second time it goes on at the next, and so does one that was wrong, or hardly got on.
 */
export class FallbackRegistry implements Registry {
  readonly places: readonly Registry[];
  readonly #settings: FallbackSettings;
  readonly #resumptions = new LRUCache<string, Resumption>({ max: maxResumptions });

  constructor(mirrors: readonly Registry[], registry: Registry, settings: FallbackSettings = {}) {
    this.places = [...mirrors, registry];
    this.#settings = settings;
  }

  async resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: ResolveManifestOptions,
  ): Promise<Descriptor> {
    const ask = async (registry: Registry) => {
      const taken: Manifest[] = [];
      const take = (manifest: Manifest): void => void taken.push(manifest);
      const descriptor = await registry.resolveManifest(repository, reference, { ...options, take });
      return { descriptor, manifest: taken.at(-1) };
    };
    const { descriptor, manifest } = await this.#consistent(options, ask, (answer) => answer.manifest);
    if (manifest !== undefined) options?.take?.(manifest);
    return descriptor;
  }

  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Manifest> {
    return await this.#consistent(
      options,
      async (registry) => await registry.getManifest(repository, reference, options),
      (manifest) => manifest,
    );
  }

  /** Of a tag the answer of the first that does not contradict itself; of the first that does where no other has it. */
  async #consistent<Answer>(
    options: CallOptions | undefined,
    ask: (registry: Registry) => Promise<Answer>,
    manifestOf: (answer: Answer) => Manifest | undefined,
  ): Promise<Answer> {
    let contradicted: Answer | undefined;
    try {
      return await this.#first(options, async (registry, place) => {
        const answer = await ask(registry);
        const isConsistent = manifestOf(answer)?.contradicts === undefined;
        if (isConsistent || place === this.places.length - 1) return answer;
        contradicted ??= answer;
        throw new RegistryError(
          'UNAVAILABLE',
          'the manifest contradicts the digest that is announced for it',
        );
      });
    } catch (error) {
      if (contradicted === undefined || !saysOfPlaces(error)) throw error;
      return contradicted;
    }
  }

  async resolveBlob(
    repository: RepositoryName,
    digest: Digest,
    options?: ResolveBlobOptions,
  ): Promise<BlobInfo> {
    return await this.#first(
      options,
      async (registry) => await registry.resolveBlob(repository, digest, options),
    );
  }

  async getBlob(repository: RepositoryName, digest: Digest, options?: BlobOptions): Promise<BlobReader> {
    const key = contentKey(repository, digest);
    const ask = async (registry: Registry, place: number): Promise<BlobReader> => {
      const reader = await registry.getBlob(repository, digest, options);
      return this.#watched(reader, key, place, options?.signal);
    };
    try {
      return await this.#first(options, ask, this.#orderFor(key));
    } catch (error) {
      // The mirrors that were left out have another chance.
      this.#resumptions.delete(key);
      throw error;
    }
  }

  async listTags(repository: RepositoryName, options?: TagListOptions): Promise<TagList> {
    return await this.#longest(
      options,
      async (registry) => await registry.listTags(repository, options),
      ({ tags }) => tags.length,
      // Behind a tag there may be none: that is the end of a list, unless the tag was another's than the one who says so.
      { mayEnd: options?.last !== undefined },
    );
  }

  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options?: CallOptions,
  ): Promise<ReferrersList> {
    return await this.#longest(
      options,
      async (registry) => await registry.listReferrers(repository, digest, options),
      ({ referrers }) => referrers.length,
    );
  }

  /**
   * The first list that has something and did not break off, else the longest of those that somebody gave. That there is nothing to list is
   * the registry's to say alone: a mirror says so too of what it cannot have now, or has no API for (decision 26). `mayEnd`: where the
   * registry does not answer, it is a mirror's to say.
   */
  async #longest<List extends { readonly cut?: Cut | undefined }>(
    options: CallOptions | undefined,
    ask: (registry: Registry) => Promise<List>,
    lengthOf: (list: List) => number,
    { mayEnd = false }: { readonly mayEnd?: boolean } = {},
  ): Promise<List> {
    let longest: List | undefined;
    try {
      return await this.#first(options, async (registry, place) => {
        const list = await ask(registry);
        if (list.cut !== 'failed' && lengthOf(list) > 0) return list;
        const isLast = place === this.places.length - 1;
        const counts = lengthOf(list) > 0 || isLast || (mayEnd && list.cut !== 'failed');
        if (counts && (longest === undefined || lengthOf(list) > lengthOf(longest))) longest = list;
        throw new RegistryError('UNAVAILABLE', 'the list is empty, or broke off');
      });
    } catch (error) {
      if (longest === undefined || !saysOfPlaces(error)) throw error;
      return longest;
    }
  }

  /** In this order, or that of the places. The registry is always one of them. */
  async #first<Value>(
    options: CallOptions | undefined,
    ask: (registry: Registry, place: number) => Promise<Value>,
    order: Iterable<number> = this.places.keys(),
  ): Promise<Value> {
    let failure: unknown;
    for (const place of order) {
      const registry = this.places[place];
      if (registry === undefined) continue;
      try {
        return await ask(registry, place);
      } catch (error) {
        options?.signal?.throwIfAborted();
        if (!saysOfPlaces(error)) throw error;
        if (place < this.places.length - 1) this.#settings.onFallback?.(place, error);
        else failure = error;
      }
    }
    throw failure;
  }

  #orderFor(key: string): Iterable<number> {
    const resumption = this.#resumptions.get(key);
    if (resumption === undefined) return this.places.keys();
    return [...[...this.places.keys()].slice(resumption.from), ...resumption.slow];
  }

  /** The reader of one place, by which is learnt where to go on. */
  #watched(reader: BlobReader, key: string, place: number, signal: AbortSignal | undefined): BlobReader {
    return {
      ...reader,
      body: this.#noted(reader, key, place, signal),
      ...(place < this.places.length - 1 && {
        leavePlace: () => this.#leave(key, place),
        putOffPlace: () => this.#leave(key, place, true),
      }),
    };
  }

  async *#noted(
    { body, range, size }: BlobReader,
    key: string,
    place: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body) yield chunk;
    } catch (error) {
      if (signal?.aborted !== true) this.#broke(key, place);
      throw error;
    }
    // Behind a part that is not the last the reader goes on, and not at a place that was left.
    if (range === undefined || size === undefined || range.last === size - 1) this.#resumptions.delete(key);
  }

  /** One that was left already, and then disposed of, says nothing new. */
  #broke(key: string, place: number): void {
    const last = this.#resumptions.get(key);
    if (last !== undefined && last.from > place) return;
    const cuts = last?.from === place ? last.cuts + 1 : 1;
    if (cuts > 1) this.#leave(key, place);
    else this.#resumptions.set(key, { from: place, cuts, slow: last?.slow ?? [] });
  }

  #leave(key: string, place: number, isSlow = false): void {
    const { from = 0, slow = [] } = this.#resumptions.get(key) ?? {};
    const others = slow.filter((each) => each !== place);
    this.#resumptions.set(key, {
      from: Math.max(from, Math.min(place + 1, this.places.length - 1)),
      cuts: 0,
      slow: isSlow ? [...others, place] : others,
    });
  }
}

/** That there is no room in our memory, or that we end, says nothing of a mirror, nor of what it has. */
function saysOfPlaces(error: unknown): error is RegistryError {
  return error instanceof RegistryError && !(error instanceof NoRoom || error instanceof Stopping);
}
