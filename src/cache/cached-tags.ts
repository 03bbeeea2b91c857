import { abortable } from '../base/abortable.ts';
import { Claim, reading } from '../base/claim.ts';
import { sortedInTurns } from '../base/in-turns.ts';
import { SingleFlight } from '../base/single-flight.ts';
import { NoRoom, tooMuchRead } from '../oci/busy.ts';
import { RegistryError } from '../oci/error.ts';
import { hostOf, type RepositoryName, type Tag } from '../oci/reference.ts';
import type { Cut, Registry, TagList, TagListOptions } from '../oci/registry.ts';
import { behind } from '../oci/tag-order.ts';
import { putTagList } from '../storage/operation.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import type { TagPart, TagWalk } from './memory/tag-walk.ts';
import type { TagSource } from './memory/tag-walks.ts';
import { hasRoom, outcomeOfFallback, patiently, type When } from './stale.ts';

/** The pages of one walk through a list should see one list. */
const walkMs = 10_000;

/** Of a list that is kept for an outage: as many tags as are read for one answer, of forty characters. */
const maxKeptChars = 4 * 1024 * 1024;

/** A list that was kept, its entries and what is made of them to be sent: so many times its characters. */
const timesWhileKept = 3;
/** What a tag takes besides. Bytes. */
const perTag = 32;
/** So many hardly take more than any small answer. */
const fewTags = 1000;

/** What there is when upstream cannot be asked. */
interface Fallback {
  readonly list: TagList;
  /** Does it say anything? */
  readonly isKnown: boolean;
  readonly room: Claim;
}

interface Read {
  readonly walk: TagWalk;
  readonly list: TagList;
}

/**
 * Tag lists of one registry: live from upstream and no more of them than is asked for; stale when it fails; what is cached when
 * there is nothing else.
 */
export class CachedTags {
  readonly #upstream: Registry;
  readonly #policy: CachePolicy;
  readonly #parts: CacheParts;
  readonly #fallbacks = new SingleFlight<string, Fallback | undefined>();

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#upstream = upstream;
    this.#policy = policy;
    this.#parts = parts;
  }

  async list(repository: RepositoryName, options: TagListOptions = {}): Promise<TagList> {
    const { n, last, signal, report } = options;
    const walk = this.#fresh(repository, last);
    const known = walk?.ready({ n, last });
    if (walk !== undefined && known !== undefined) {
      report?.({ kind: 'hit' });
      return await held(walk, known, options);
    }
    report?.({ kind: 'miss' });
    const { clock } = this.#parts;
    // As it is now: what comes while upstream is asked is its answer, and not what stands in its place.
    const part = this.#inMemory(repository);
    const fallback = async (when: When): Promise<Fallback | undefined> =>
      await this.#fallback(repository, last, { part, when });
    try {
      const work = this.#read(repository, { n, last });
      const isKnown = async (): Promise<boolean> => (await fallback('at once'))?.isKnown === true;
      const read = await patiently(work, this.#policy, clock, signal, isKnown);
      return await held(read.walk, read.list, options);
    } catch (error) {
      signal?.throwIfAborted();
      // Who has waited for room already does not wait again.
      const isOurs = error instanceof NoRoom;
      const known = await abortable(fallback(isOurs ? 'at once' : 'when there is room'), signal);
      if (known === undefined) throw isOurs ? error : tooMuchRead();
      const { list, isKnown, room } = known;
      const outcome = outcomeOfFallback(error, isKnown, this.#policy);
      report?.(outcome);
      if (!room.isSmall) options.holds?.(room.share());
      return list;
    }
  }

  #fresh(repository: RepositoryName, last: string | undefined): TagWalk | undefined {
    // No tag is named: only a rule for the whole repository speaks of its list.
    const isAlwaysAsked = this.#policy.freshness(repository, '' as Tag) === 'always';
    return this.#parts.walks.fresh(repository, last, isAlwaysAsked ? 0 : walkMs);
  }

  /** Reads until there is enough. What ends early is answered as far as it goes, unless nothing of it is here. */
  async #read(repository: RepositoryName, part: TagPart): Promise<Read> {
    const { n, last } = part;
    const walk =
      this.#fresh(repository, last) ?? this.#parts.walks.begin(repository, last, this.#source(repository));
    for (;;) {
      const ready = walk.ready(part);
      if (ready !== undefined) return { walk, list: ready };
      const cut = await this.#grow(walk, part, n === undefined ? n : n - walk.rest(last).length);
      if (cut === undefined) continue;
      return { walk, list: walk.ready(part) ?? { tags: walk.rest(last), hasMore: walk.hasMore, cut } };
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
      ask: async (part, room) => await this.#upstream.listTags(repository, { ...part, room }),
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

  /** Undefined: there is no room for it. */
  async #fallback(
    repository: RepositoryName,
    last: string | undefined,
    { part, when }: { readonly part: readonly Tag[]; readonly when: When },
  ): Promise<Fallback | undefined> {
    return await this.#fallbacks.run(`${when} ${repository}:${last ?? ''}`, async () => {
      const room = new Claim(hostOf(repository));
      return await reading(room, async () => {
        if (!(await hasRoom(room, timesWhileKept * maxKeptChars, when))) return undefined;
        const { list, isKnown } = await this.#known(repository, last, part);
        room.settle(sizeOf(list.tags));
        return { list, isKnown, room };
      });
    });
  }

  /** The whole list as it was last seen; else a part: what of it is still in memory, and what is cached. */
  async #known(
    repository: RepositoryName,
    last: string | undefined,
    part: readonly Tag[],
  ): Promise<Omit<Fallback, 'room'>> {
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

/**
 * The list, and the caller has a share of its room, if it is large. Of a large part the room is its own: many such parts of one list may be sent at a
 * time. Throws UNAVAILABLE (503): there was none in time.
 */
async function held(
  { tags, room }: TagWalk,
  list: TagList,
  { n = Number.POSITIVE_INFINITY, holds, signal }: TagListOptions,
): Promise<TagList> {
  const wanted = Math.min(n, list.tags.length);
  if (holds === undefined || room.isSmall || wanted <= fewTags) return list;
  if (wanted === tags.length) {
    holds(room.share());
    return list;
  }
  const own = new Claim(room.owner);
  const share = own.share();
  holds(share);
  if (!(await own.wait((sizeOf(list.tags) / list.tags.length) * wanted, signal))) throw tooMuchRead();
  return list;
}

/** What tags take until they were sent. Bytes. */
function sizeOf(tags: readonly Tag[]): number {
  return timesWhileKept * charsOf(tags) + perTag * tags.length;
}

function charsOf(tags: readonly Tag[]): number {
  return tags.reduce((sum, tag) => sum + tag.length, 0);
}
