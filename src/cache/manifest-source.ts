import { LRUCache } from 'lru-cache';
import { Claim, reading } from '../base/claim.ts';
import { SingleFlight } from '../base/single-flight.ts';
import { Busy } from '../oci/busy.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/error.ts';
import { isUnanswered } from '../oci/no-answer.ts';
import {
  type Digest,
  hostOf,
  isDigest,
  type Reference,
  type RepositoryName,
  type Tag,
} from '../oci/reference.ts';
import type { Manifest, Registry } from '../oci/registry.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import { isFresh } from './memory/freshness.ts';
import type { Asked } from './memory/known-tags.ts';
import { isAbsent } from './memory/negative-cache.ts';

/**
 * Settles when the store takes what upstream gave, or cannot in time: whoever answers with it waits for that, which is no waiting
 * for upstream. Undefined: there is nothing to wait for.
 */
export type Kept = Promise<void> | undefined;

/** A manifest that upstream gave. */
export interface Given {
  readonly manifest: Manifest;
  readonly kept: Kept;
}

/** Where upstream says that a tag points. */
export interface TagAnswer {
  readonly descriptor: Descriptor;
  /** Undefined: its bytes are not here. */
  readonly manifest: Manifest | undefined;
  /** Were they read to give this answer? */
  readonly wasRead: boolean;
  readonly asked: Asked;
  readonly kept: Kept;
}

/**
 * What upstream says of the manifests of one registry. Each question is asked once for all who ask it until what comes of it is
 * kept, and outlives each of them.
 */
export class ManifestSource {
  readonly #upstream: Registry;
  readonly #policy: CachePolicy;
  readonly #parts: CacheParts;
  readonly #fetches = new SingleFlight<string, Given>(({ kept }) => kept);
  readonly #questions = new SingleFlight<string, TagAnswer>(({ kept }) => kept);
  /** Did the last GET say that the registry gives no manifests now? */
  #isRefusing = false;
  /** Whose last GET was not answered: that says nothing of other repositories. */
  readonly #unanswered = new LRUCache<RepositoryName, true>({ max: 1000 });

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#upstream = upstream;
    this.#policy = policy;
    this.#parts = parts;
  }

  isFetching(repository: RepositoryName, reference: Reference): boolean {
    return this.#fetches.has(keyOf(repository, reference));
  }

  isAsking(repository: RepositoryName, tag: Tag): boolean {
    return this.#questions.has(keyOf(repository, tag));
  }

  /** A GET of what is not cached: of a tag by the digest that was announced for it lately, so that GET and HEAD agree. */
  async fetch(repository: RepositoryName, reference: Reference): Promise<Given> {
    return await this.#fetches.run(keyOf(repository, reference), async () => {
      if (isDigest(reference)) return await this.#getDigest(repository, reference);
      const lately = this.lately(repository, reference);
      if (lately === undefined) return await this.#getTag(repository, reference);
      return await this.follow(repository, reference, lately);
    });
  }

  /** The same where something has just become so: a question that was asked before may be answered with what was. */
  async askAnew(repository: RepositoryName, tag: Tag): Promise<TagAnswer> {
    if (this.isAsking(repository, tag)) {
      const before = await this.ask(repository, tag).catch(() => undefined);
      // As long as it is being kept whoever asks is given it.
      await before?.kept?.catch(() => undefined);
    }
    return await this.ask(repository, tag);
  }

  /** A HEAD. Where the digest is not here it is remembered: the tag points at it as soon as it comes. */
  async ask(repository: RepositoryName, tag: Tag): Promise<TagAnswer> {
    return await this.#questions.run(keyOf(repository, tag), async () => {
      const asked = this.#parts.manifests.asking();
      try {
        return await this.#answer(repository, tag, asked);
      } catch (error) {
        this.#noteFailure(repository, tag, error);
        if (isAbsent(error) && this.#policy.ofOneCaller !== true)
          this.#parts.manifests.gone(repository, tag, asked);
        throw error;
      }
    });
  }

  /** What was announced and is not here, while that is as fresh as the tag would be. */
  lately(repository: RepositoryName, tag: Tag): TagAnswer | undefined {
    const { manifests, clock } = this.#parts;
    const announced = manifests.announced(repository, tag);
    if (announced === undefined || this.isWrong(repository, announced.descriptor.digest)) return undefined;
    const { descriptor, asked } = announced;
    if (!isFresh(this.#policy.freshness(repository, tag), asked.at, clock.now())) return undefined;
    return { descriptor, asked, manifest: undefined, wasRead: false, kept: undefined };
  }

  /** The manifest that was announced; the tag's own bytes where upstream announces what is not to be had. */
  async follow(
    repository: RepositoryName,
    tag: Tag,
    { descriptor: { digest }, manifest, kept, asked }: TagAnswer,
  ): Promise<Given> {
    if (manifest !== undefined) return { manifest, kept };
    if (!this.isWrong(repository, digest)) {
      try {
        const given = await this.#byDigest(repository, digest);
        return { ...given, kept: unwatched(this.#point(repository, given, tag, asked)) };
      } catch (error) {
        if (isOfRegistry(error)) throw error;
        this.#parts.doubted.add(repository, digest, 'wrong');
      }
    }
    return await this.#getTag(repository, tag);
  }

  async #point(repository: RepositoryName, given: Given, tag: Tag, asked: Asked): Promise<void> {
    await given.kept;
    await this.#parts.manifests.keepTag(repository, given.manifest, tag, asked);
  }

  /** Was this digest announced, and not to be had? */
  isWrong(repository: RepositoryName, digest: Digest): boolean {
    return this.#parts.doubted.of(repository, digest) === 'wrong';
  }

  /** Would a GET most likely give what is announced? If not, whoever would be served a stale copy must not hear of it. */
  mayAnnounce(repository: RepositoryName, digest: Digest): boolean {
    if (!this.#policy.staleIfError) return !this.isWrong(repository, digest);
    const isFailing = this.#isRefusing || this.#unanswered.has(repository);
    return !isFailing && this.#parts.doubted.of(repository, digest) === undefined;
  }

  async #answer(repository: RepositoryName, tag: Tag, asked: Asked): Promise<TagAnswer> {
    const { manifests } = this.#parts;
    const taken: Manifest[] = [];
    const take = (manifest: Manifest): void => void taken.push(manifest);
    const room = new Claim(hostOf(repository));
    const descriptor = await reading(room, async () =>
      this.#upstream.resolveManifest(repository, tag, { take, room }),
    );
    const given = taken.at(-1);
    if (given !== undefined) {
      const read = counted(given, room);
      const kept = this.#keepTag(repository, read, tag, asked);
      return { descriptor: read.descriptor, manifest: read, wasRead: true, asked, kept };
    }
    const manifest = await manifests.find(repository, descriptor.digest);
    if (manifest === undefined) await manifests.announce(repository, tag, descriptor, asked);
    else await this.#confirm(repository, manifest, tag, asked);
    // What a HEAD says of type and size is a claim.
    return {
      descriptor: manifest?.descriptor ?? descriptor,
      manifest,
      wasRead: false,
      asked,
      kept: undefined,
    };
  }

  /** The tag points at what is here. */
  async #confirm(repository: RepositoryName, manifest: Manifest, tag: Tag, asked: Asked): Promise<void> {
    const { manifests } = this.#parts;
    const record = await manifests.findTag(repository, tag);
    const isSame = record?.descriptor.digest === manifest.descriptor.digest;
    if (record !== undefined && isSame && manifests.isStored(record))
      manifests.touch(repository, record, asked);
    else await manifests.keepTag(repository, manifest, tag, asked);
  }

  async #byDigest(repository: RepositoryName, digest: Digest): Promise<Given> {
    const manifest = await this.#parts.manifests.find(repository, digest);
    if (manifest !== undefined) return { manifest, kept: undefined };
    this.#parts.absent.check(keyOf(repository, digest));
    return await this.fetch(repository, digest);
  }

  async #getDigest(repository: RepositoryName, digest: Digest): Promise<Given> {
    const { doubted, manifests } = this.#parts;
    try {
      const manifest = await this.#get(repository, digest);
      doubted.clear(repository, digest);
      return { manifest, kept: unwatched(manifests.keep(repository, manifest)) };
    } catch (error) {
      // Only of what was announced it matters: whoever makes up digests must not fill the memory.
      if (manifests.isAnnounced(repository, digest)) {
        doubted.add(repository, digest, isOfRegistry(error) ? 'unfetched' : 'wrong');
      }
      throw error;
    }
  }

  async #getTag(repository: RepositoryName, tag: Tag): Promise<Given> {
    const asked = this.#parts.manifests.asking();
    const manifest = await this.#get(repository, tag);
    return { manifest, kept: this.#keepTag(repository, manifest, tag, asked) };
  }

  async #get(repository: RepositoryName, reference: Reference): Promise<Manifest> {
    try {
      const room = new Claim(hostOf(repository));
      const manifest = await reading(room, async () =>
        this.#upstream.getManifest(repository, reference, { room }),
      );
      this.#isRefusing = false;
      this.#unanswered.delete(repository);
      return counted(manifest, room);
    } catch (error) {
      if (!(error instanceof Busy)) this.#noteSilence(repository, error);
      this.#noteFailure(repository, reference, error);
      throw error;
    }
  }

  #noteSilence(repository: RepositoryName, error: unknown): void {
    if (isRefusal(error)) this.#isRefusing = true;
    else if (isOfRegistry(error)) this.#unanswered.set(repository, true);
  }

  #keepTag(repository: RepositoryName, manifest: Manifest, tag: Tag, asked: Asked): Promise<void> {
    const { doubted, manifests } = this.#parts;
    doubted.clear(repository, manifest.descriptor.digest);
    if (manifest.contradicts !== undefined) doubted.add(repository, manifest.contradicts, 'wrong');
    return unwatched(manifests.keepTag(repository, manifest, tag, asked));
  }

  #noteFailure(repository: RepositoryName, reference: Reference, error: unknown): void {
    const { absent, completer } = this.#parts;
    absent.note(keyOf(repository, reference), error, this.#policy.negativeTtl);
    completer.noteFailure(hostOf(repository), error);
  }
}

/** Of one question in memory, and of the 404 that it was answered with. */
export function keyOf(repository: RepositoryName, reference: Reference): string {
  return `${repository} ${reference}`;
}

/** Whoever keeps a large one for long has a share of its room. */
function counted(manifest: Manifest, room: Claim): Manifest {
  return room.isSmall ? manifest : { ...manifest, room };
}

/** Its failure is of those who wait for it, and it may be that nobody does. */
function unwatched(kept: Promise<void>): Promise<void> {
  kept.catch(() => {});
  return kept;
}

/** For now it gives no manifests to us, whatever is asked for. */
function isRefusal(error: unknown): boolean {
  return error instanceof RegistryError && (error.status === 429 || error.status === 503);
}

/** Its limit, no answer from it, or want of ours: that says nothing of one manifest. What upstream answers of one is never 503 or 504. */
function isOfRegistry(error: unknown): boolean {
  return isUnanswered(error) || (error instanceof RegistryError && [429, 503, 504].includes(error.status));
}
