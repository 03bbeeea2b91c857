import { parseJson } from '../oci/json.ts';
import { parseTag, type RepositoryName, type Tag } from '../oci/reference.ts';
import type { CallOptions, Cut } from '../oci/registry.ts';
import { behind, isAscending } from '../oci/tag-order.ts';
import { ListPages } from './list-pages.ts';
import type { TransportResponse } from './transport/transport.ts';
import type { UpstreamSession } from './upstream-session.ts';

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
  /** In upstream's order, each once. */
  readonly tags = new Set<Tag>();
  /** Did upstream answer the page that was asked for last as one that it does not know? */
  isRefused = false;
  readonly #settings: TagPagesSettings;
  readonly #pages: ListPages;
  /** Upstream has not pointed to the page that is read next. */
  #isGuess = false;

  constructor(settings: TagPagesSettings) {
    const { session, repository, first, options } = settings;
    this.#settings = settings;
    this.#pages = new ListPages(session, repository, first, options);
  }

  get next(): URL | undefined {
    return this.#pages.next;
  }

  get cut(): Cut | undefined {
    return this.#pages.cut;
  }

  get failure(): Error | undefined {
    return this.#pages.failure;
  }

  /**
   * What was looked for, as far as it was read. Nothing while its place is not known: a few tags may be in ASCII order by chance, so
   * that one which is not there is compared with those of many pages.
   */
  found(): readonly Tag[] {
    const { skipTo } = this.#settings;
    const tags = [...this.tags];
    const isWhole = this.next === undefined && this.cut === undefined;
    const isLong = this.cut === 'bounded' && isAscending(tags);
    const isKnown = isWhole || isLong || this.tags.has(skipTo as Tag);
    return skipTo === undefined || isKnown ? behind(tags, skipTo) : [];
  }

  /** False where there is nothing more to read. Throws what is wrong with the first page. */
  async read(): Promise<boolean> {
    const { next: url } = this;
    const known = this.tags.size;
    const count = await this.#pages.read(async (response, body) => await this.#take(response, body));
    if (count !== undefined && url !== undefined) this.#goOn(url, count, this.tags.size > known);
    else if (this.#isGuess && this.isRefused) this.#pages.end();
    return count !== undefined;
  }

  /** Takes the page's tags; returns how many entries it had, whatever they were. */
  async #take(response: TransportResponse, body: () => Promise<Uint8Array>): Promise<number> {
    this.isRefused = refusals.has(response.status);
    if (response.status !== 200) throw await this.#settings.session.error(response, 'NAME_UNKNOWN');
    const entries = entriesOf(await body());
    for (const entry of entries) for (const tag of tagOf(entry)) this.tags.add(tag);
    return entries.length;
  }

  /**
   * Goes on without a link, by the name of the last tag: where a link leads nowhere, and where a page holds as many as were asked for,
   * for a registry need not send a link (`crane registry serve` sends none).
   */
  #goOn(url: URL, count: number, hasNew: boolean): void {
    const pages = this.#pages;
    this.#isGuess = false;
    if (pages.next !== undefined) return;
    const { isLost } = pages;
    const isFull = count > 0 && count === Number(url.searchParams.get('n'));
    const last = hasNew && (isLost || isFull) ? [...this.tags].at(-1) : undefined;
    if (last !== undefined && pages.goTo(this.#settings.behind(last))) this.#isGuess = !isLost;
    else if (isLost) pages.giveUp();
  }
}

/** Statuses that may be about `last`, or a cursor: not about who asks, or how often. */
const refusals = new Set([400, 404, 405, 406, 409, 410, 414, 416, 422]);

/** `tags` may be null, and hold nulls and names that are no tags (Nexus, JFrog). */
function entriesOf(bytes: Uint8Array): readonly unknown[] {
  const json = parseJson(bytes, 'a tag list');
  const tags: unknown = typeof json === 'object' && json !== null && 'tags' in json ? json.tags : undefined;
  return Array.isArray(tags) ? tags : [];
}

function tagOf(value: unknown): Tag[] {
  try {
    return typeof value === 'string' ? [parseTag(value)] : [];
  } catch {
    return [];
  }
}
