import { eachInTurns } from '../base/in-turns.ts';
import type { TransportResponse } from '../net/transport.ts';
import type { RepositoryName, Tag } from '../oci/reference.ts';
import type { CallOptions, Cut } from '../oci/registry.ts';
import { behind, isAscending } from '../oci/tag-order.ts';
import { ListPages } from './list-pages.ts';
import type { UpstreamSession } from './upstream-session.ts';

/** A hundred pages as registries give them. */
const maxTags = 100_000;

export interface TagPagesSettings {
  readonly session: UpstreamSession;
  readonly repository: RepositoryName;
  readonly first: URL;
  /** The list is read from its beginning, to find what is behind this one. */
  readonly skipTo?: string | undefined;
  /** The page behind a tag, where upstream has no link to it. */
  readonly behind: (last: Tag) => URL;
  readonly options: CallOptions;
}

/** The pages of one tag list, and the tags that they brought. */
export class TagPages {
  readonly #tags = new Set<Tag>();
  /** The same in upstream's order. */
  readonly #inOrder: Tag[] = [];
  /** Did upstream answer the page that was asked for last as one that it does not know? */
  isRefused = false;
  readonly #settings: TagPagesSettings;
  readonly #pages: ListPages;
  /** Upstream has not said that there is a page, and it is read next: there may be none. */
  #isGuess = false;
  /** Upstream has not said where the page is that is read next. */
  #isOurs = false;

  constructor(settings: TagPagesSettings) {
    const { session, repository, first, options } = settings;
    this.#settings = settings;
    this.#pages = new ListPages({ session, repository, first, maxEntries: maxTags, options });
  }

  /** The first that was read. */
  get beginning(): Tag | undefined {
    return this.#inOrder[0];
  }

  has(tag: string): boolean {
    return this.#tags.has(tag as Tag);
  }

  get next(): URL | undefined {
    return this.#pages.next;
  }

  /** Where upstream itself says that the list goes on. */
  get link(): URL | undefined {
    return this.#isOurs ? undefined : this.next;
  }

  get cut(): Cut | undefined {
    return this.#pages.cut;
  }

  /** As {@link ListPages.checkEmpty}. */
  checkEmpty(): void {
    this.#pages.checkEmpty();
  }

  /**
   * What was looked for, as far as it was read. Nothing while its place is not known: a few tags may be in ASCII order by chance, so
   * that one which is not there is compared with those of many pages.
   */
  found(): readonly Tag[] {
    const { skipTo } = this.#settings;
    if (skipTo === undefined) return this.#inOrder;
    const isWhole = this.next === undefined && this.cut === undefined;
    const isKnown = isWhole || this.has(skipTo) || (this.cut === 'bounded' && isAscending(this.#inOrder));
    return isKnown ? behind(this.#inOrder, skipTo) : [];
  }

  /** False where there is nothing more to read. Throws what is wrong with the first page. */
  async read(): Promise<boolean> {
    const { next: url } = this;
    const known = this.#inOrder.length;
    const count = await this.#pages.read(async (response, body) => await this.#take(response, body));
    if (count !== undefined && url !== undefined) this.#goOn(url, count, this.#inOrder.length > known);
    else if (this.#isGuess && this.isRefused) this.#pages.end();
    return count !== undefined;
  }

  /** Takes the page's tags; returns how many entries it had, whatever they were. */
  async #take(response: TransportResponse, body: () => Promise<Uint8Array>): Promise<number> {
    this.isRefused = refusals.has(response.status);
    if (response.status !== 200) throw await this.#settings.session.error(response, 'NAME_UNKNOWN');
    const { head, items } = await this.#settings.session.read('tags', await body(), this.#pages.room);
    await eachInTurns(items, (tag) => this.#add(tag));
    this.#pages.took(head);
    return head.entries;
  }

  #add(tag: Tag): void {
    if (this.#tags.has(tag)) return;
    this.#tags.add(tag);
    this.#inOrder.push(tag);
  }

  /**
   * Goes on without a link, by the name of the last tag: where a link leads nowhere, where not all of a page was taken, and where a
   * page holds as many as were asked for, for a registry need not send a link (`crane registry serve` sends none).
   */
  #goOn(url: URL, count: number, hasNew: boolean): void {
    const pages = this.#pages;
    this.#isGuess = false;
    this.#isOurs = false;
    if (pages.next !== undefined) return;
    const { isLost } = pages;
    const isFull = count > 0 && count === Number(url.searchParams.get('n'));
    const last = hasNew && (isLost || isFull || this.cut === 'bounded') ? this.#inOrder.at(-1) : undefined;
    if (last !== undefined && pages.goTo(this.#settings.behind(last))) {
      this.#isOurs = true;
      this.#isGuess = !isLost;
    } else if (isLost) pages.giveUp();
  }
}

/** Statuses that may be about `last`, or a cursor: not about who asks, or how often. */
const refusals = new Set([400, 404, 405, 406, 409, 410, 414, 416, 422]);
