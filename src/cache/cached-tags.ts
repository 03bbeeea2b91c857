import { sortedInTurns } from '../base/in-turns.ts';
import { RegistryError } from '../oci/error.ts';
import type { RepositoryName, Tag } from '../oci/reference.ts';
import type { Cut, Registry, TagList, TagListOptions } from '../oci/registry.ts';
import { behind } from '../oci/tag-order.ts';
import { putTagList } from '../storage/operation.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import type { TagPart, TagWalk } from './memory/tag-walk.ts';
import type { TagSource } from './memory/tag-walks.ts';
import { outcomeOfFallback, patiently } from './stale.ts';

/** The pages of one walk through a list should see one list. */
const walkMs = 10_000;

/** Of a list that is kept for an outage: as many tags as are read for one answer, of forty characters. */
const maxKeptChars = 4 * 1024 * 1024;

/** What there is when upstream cannot be asked. */
interface Fallback {
  readonly list: TagList;
  /** Does it say anything? */
  readonly isKnown: boolean;
}

/**
 * Tag lists of one registry: live from upstream and no more of them than is asked for; stale when it fails; what is cached when
 * there is nothing else.
 */
export class CachedTags {
  readonly #upstream: Registry;
  readonly #policy: CachePolicy;
  readonly #parts: CacheParts;

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#upstream = upstream;
    this.#policy = policy;
    this.#parts = parts;
  }

  async list(repository: RepositoryName, options: TagListOptions = {}): Promise<TagList> {
    const { n, last, signal, report } = options;
    const known = this.#fresh(repository, last)?.ready({ n, last });
    if (known !== undefined) {
      report?.({ kind: 'hit' });
      return known;
    }
    report?.({ kind: 'miss' });
    const { clock } = this.#parts;
    // As it is now: what comes while upstream is asked is its answer, and not what stands in its place.
    const part = this.#inMemory(repository);
    const fallback = async (): Promise<Fallback> => await this.#fallback(repository, last, part);
    try {
      const work = this.#read(repository, { n, last });
      return await patiently(work, this.#policy, clock, signal, async () => (await fallback()).isKnown);
    } catch (error) {
      signal?.throwIfAborted();
      const { list, isKnown } = await fallback();
      const outcome = outcomeOfFallback(error, isKnown, this.#policy);
      report?.(outcome);
      return list;
    }
  }

  #fresh(repository: RepositoryName, last: string | undefined): TagWalk | undefined {
    // No tag is named: only a rule for the whole repository speaks of its list.
    const isAlwaysAsked = this.#policy.freshness(repository, '' as Tag) === 'always';
    return this.#parts.walks.fresh(repository, last, isAlwaysAsked ? 0 : walkMs);
  }

  /** Reads until there is enough. What ends early is answered as far as it goes, unless nothing of it is here. */
  async #read(repository: RepositoryName, part: TagPart): Promise<TagList> {
    const { n, last } = part;
    const walk =
      this.#fresh(repository, last) ?? this.#parts.walks.begin(repository, last, this.#source(repository));
    for (;;) {
      const ready = walk.ready(part);
      if (ready !== undefined) return ready;
      const cut = await this.#grow(walk, part, n === undefined ? n : n - walk.rest(last).length);
      if (cut !== undefined) return walk.ready(part) ?? { tags: walk.rest(last), hasMore: walk.hasMore, cut };
    }
  }

  /** Why no more came than did. */
  async #grow(walk: TagWalk, { last }: TagPart, n: number | undefined): Promise<Cut | undefined> {
    try {
      return (await walk.grow(n)).cut;
    } catch (error) {
      if (walk.rest(last).length === 0 || !(error instanceof RegistryError)) throw error;
      return 'failed';
    }
  }

  #source(repository: RepositoryName): TagSource {
    const { keeping, metadata, clock } = this.#parts;
    return {
      ask: async (part) => await this.#upstream.listTags(repository, part),
      onWhole: (tags) => {
        const chars = charsOf(tags);
        if (chars > maxKeptChars) return;
        const record = { items: [...tags], checkedAt: clock.now() };
        keeping.keep(chars, async () => await metadata.change([putTagList(repository, record)]));
      },
    };
  }

  /** The beginning of the list as it was last read. */
  #inMemory(repository: RepositoryName): readonly Tag[] {
    const walk = this.#parts.walks.lastOf(repository);
    return walk !== undefined && walk.after === undefined ? walk.tags : [];
  }

  /** The whole list as it was last seen; else a part: what of it is still in memory, and what is cached. */
  async #fallback(
    repository: RepositoryName,
    last: string | undefined,
    part: readonly Tag[],
  ): Promise<Fallback> {
    const { metadata } = this.#parts;
    const kept = this.#policy.offline ? undefined : await metadata.getTagList(repository);
    if (kept !== undefined)
      return { list: { tags: behind(kept.items, last), hasMore: false }, isKnown: true };
    const cached = await metadata.listTags(repository);
    const both = part.length === 0 ? cached : [...new Set([...part, ...cached])];
    const tags = behind(await sortedInTurns(both), last);
    const cut = this.#policy.offline ? undefined : 'failed';
    return { list: { tags, hasMore: false, cut }, isKnown: tags.length > 0 };
  }
}

function charsOf(tags: readonly Tag[]): number {
  return tags.reduce((sum, tag) => sum + tag.length, 0);
}
