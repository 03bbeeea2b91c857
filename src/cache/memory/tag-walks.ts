import { LRUCache } from 'lru-cache';
import { Claim } from '../../base/claim.ts';
import type { Clock } from '../../base/clock.ts';
import { hostOf, type RepositoryName, type Tag } from '../../oci/reference.ts';
import { TagWalk, type TagWalkSettings } from './tag-walk.ts';

/** Characters of all lists together, unless it is said, and of one: what is longer is asked for part by part. */
const usualChars = 32 * 1024 * 1024;
const maxWalkChars = 8 * 1024 * 1024;
/** What a tag takes besides its letters, in characters: itself, and its places in two collections. */
const perTag = 64;

export interface TagSource {
  readonly ask: TagWalkSettings['ask'];
  /** Told of each list that was read from its beginning to its end. */
  readonly onWhole: (tags: readonly Tag[]) => void;
}

/** The lists of tags that were read lately, one a repository. */
export class TagWalks {
  readonly #clock: Clock;
  readonly #walks: LRUCache<RepositoryName, TagWalk>;
  /** Those of which nothing is read yet. */
  readonly #beginning = new Map<string, TagWalk>();

  constructor(clock: Clock, maxChars = usualChars) {
    this.#clock = clock;
    this.#walks = new LRUCache({
      maxSize: maxChars,
      maxEntrySize: Math.min(maxWalkChars, maxChars),
      sizeCalculation: ({ tags, chars }) => 1000 + chars + tags.length * perTag,
    });
  }

  /** One that knows what is behind `last`, and was begun less than so many milliseconds ago. */
  fresh(repository: RepositoryName, last: string | undefined, maxAgeMs: number): TagWalk | undefined {
    const walk = this.#walks.get(repository);
    if (walk === undefined || this.#clock.monotonic() - walk.startedAt >= maxAgeMs) return undefined;
    return walk.holds(last) ? walk : undefined;
  }

  /** The one that was read last, however old. */
  lastOf(repository: RepositoryName): TagWalk | undefined {
    return this.#walks.peek(repository);
  }

  /** A new one behind `last`, shared by all who begin the same before its first part is here. */
  begin(repository: RepositoryName, last: string | undefined, { ask, onWhole }: TagSource): TagWalk {
    const key = `${repository}:${last ?? ''}`;
    const shared = this.#beginning.get(key);
    if (shared !== undefined) return shared;
    const onRead = (read: TagWalk): void => {
      this.#beginning.delete(key);
      this.#keep(repository, read);
      if (read.isWhole) onWhole(read.tags);
    };
    const walk = new TagWalk({
      after: last,
      startedAt: this.#clock.monotonic(),
      ask,
      room: new Claim(hostOf(repository)),
      onRead,
    });
    this.#beginning.set(key, walk);
    return walk;
  }

  #keep(repository: RepositoryName, walk: TagWalk): void {
    const kept = this.#walks.peek(repository);
    const isEmpty = walk.tags.length === 0 && walk.hasMore;
    if (isEmpty || (kept !== undefined && kept.startedAt > walk.startedAt)) return;
    // The size of one that is set again is not taken again.
    this.#walks.delete(repository);
    this.#walks.set(repository, walk);
  }
}
