import { type Claim, reading } from '../../base/claim.ts';
import { eachInTurns } from '../../base/in-turns.ts';
import type { Tag } from '../../oci/reference.ts';
import type { AnswerRoom, Cut, TagList } from '../../oci/registry.ts';
import { behind } from '../../oci/tag-order.ts';

/** Which part of a list is wanted: as in `TagListOptions`. */
export interface TagPart {
  readonly n: number | undefined;
  readonly last: string | undefined;
}

export interface TagWalkSettings {
  /** What it begins behind; undefined: it is the list from its beginning. */
  readonly after: string | undefined;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  readonly ask: (part: TagPart, room: AnswerRoom) => Promise<TagList>;
  /** What it takes while it is read, or sent. */
  readonly room: Claim;
  /** Told when a part has come, or has not. */
  readonly onRead: (walk: TagWalk) => void;
}

/** A list of tags as far as it was read: the pages of one walk see one list, and each of upstream's pages is read once. */
export class TagWalk {
  /** Is there more behind what was read? */
  hasMore = true;
  /** How the last part ended that was read. */
  cut: Cut | undefined;
  readonly #settings: TagWalkSettings;
  /** In upstream's order; never changed, since whoever was answered with them may still read them. */
  #tags: readonly Tag[] = [];
  /** The same, from the second part on. */
  #known: Set<Tag> | undefined;
  #chars = 0;
  /** The last tag that was read: upstream may have given it before, and the one that is last here is another. */
  #end: Tag | undefined;
  #growing: Promise<TagList> | undefined;

  constructor(settings: TagWalkSettings) {
    this.#settings = settings;
  }

  get after(): string | undefined {
    return this.#settings.after;
  }

  get startedAt(): number {
    return this.#settings.startedAt;
  }

  get room(): Claim {
    return this.#settings.room;
  }

  get tags(): readonly Tag[] {
    return this.#tags;
  }

  /** Characters of all its tags. */
  get chars(): number {
    return this.#chars;
  }

  get isWhole(): boolean {
    return this.after === undefined && !this.hasMore && this.cut === undefined;
  }

  /**
   * Is it known where the part behind `last` begins? One that is not there is compared with the whole list only: a few tags may be in
   * ASCII order by chance.
   */
  holds(last: string | undefined): boolean {
    return last === this.after || (last !== undefined && (this.#tags.includes(last as Tag) || this.isWhole));
  }

  /** What is known behind `last`, which it holds. */
  rest(last: string | undefined): readonly Tag[] {
    return last === this.after ? this.#tags : behind(this.#tags, last);
  }

  /**
   * What was asked for, if it needs no more to be read. A list that ended at the bound is enough for whoever wants all of it: but
   * behind its end it begins again, and what is not read yet is not nothing.
   */
  ready({ n, last }: TagPart): TagList | undefined {
    const endsAtBound = n === undefined && this.cut === 'bounded';
    if (n === undefined && this.hasMore && !endsAtBound) return undefined;
    const tags = this.rest(last);
    const isAll = !this.hasMore || (endsAtBound && (tags.length > 0 || last === this.after));
    const isShort = n === undefined || tags.length < n;
    if (isShort && !isAll) return undefined;
    return { tags, hasMore: this.hasMore, cut: isShort ? this.cut : undefined };
  }

  /** Reads on, so many tags or all that upstream gives at once; whoever comes meanwhile shares what is read, its failure too. */
  async grow(n: number | undefined): Promise<TagList> {
    this.#growing ??= reading(this.room, async () => await this.#read(n)).finally(() => {
      this.#growing = undefined;
      this.#settings.onRead(this);
    });
    return await this.#growing;
  }

  async #read(n: number | undefined): Promise<TagList> {
    const list = await this.#ask(n);
    const added = await this.#newOf(list.tags);
    // What brings nothing new would be asked for again and again: upstream goes in a circle.
    const isCircle = list.hasMore && added.length === 0;
    this.#tags = [...this.#tags, ...added];
    this.#end = list.tags.at(-1) ?? this.#end;
    this.hasMore = list.hasMore && !isCircle;
    this.cut = list.cut ?? (isCircle ? 'failed' : undefined);
    return list;
  }

  /** What of a part was read that does not come takes nothing any more. */
  async #ask(n: number | undefined): Promise<TagList> {
    const { settled } = this.room;
    try {
      return await this.#settings.ask({ n, last: this.#end ?? this.after }, this.room);
    } catch (error) {
      this.room.settle(settled);
      throw error;
    }
  }

  /** Which of them did not come before; of one part each comes once. */
  async #newOf(tags: readonly Tag[]): Promise<readonly Tag[]> {
    const known = this.#known ?? new Set<Tag>();
    if (this.#tags.length > 0 && this.#known === undefined)
      await eachInTurns(this.#tags, (tag) => known.add(tag));
    const added: Tag[] = [];
    await eachInTurns(tags, (tag) => {
      if (known.has(tag)) return;
      added.push(tag);
      this.#chars += tag.length;
      if (this.#tags.length > 0) known.add(tag);
    });
    if (this.#tags.length > 0) this.#known = known;
    return added;
  }
}
