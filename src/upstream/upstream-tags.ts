import { LRUCache } from 'lru-cache';
import { pathOf, type RepositoryName, type Tag } from '../oci/reference.ts';
import type { CallOptions, TagList, TagListOptions } from '../oci/registry.ts';
import { TagPages } from './tag-pages.ts';
import type { UpstreamSession } from './upstream-session.ts';

/** A thousand is the most that registries give at once, and costs one request as ten do. */
const tagsPerPage = 1000;
/** How long, how many and how large (characters of URLs) the places are that are remembered. A cursor may expire. */
const placeMs = 60_000;
const maxPlaces = 200;
const maxPlaceChars = 256 * 1024;

/** Where upstream goes on behind a tag, in its own words. */
interface Place {
  readonly url: URL;
  readonly until: number;
}

/**
 * Tag lists of one upstream (distribution-spec "Listing Tags"). No more pages are read than the answer needs. What is behind
 * `last` is where upstream's own link went on, else where its `last` says, unless its answer shows that it does not know what that
 * means: then it is looked for from the beginning. That costs one request more, once for a repository.
 */
export class UpstreamTags {
  readonly #session: UpstreamSession;
  readonly #places = new LRUCache<string, Place>({
    max: maxPlaces,
    maxSize: maxPlaceChars,
    sizeCalculation: ({ url }, key) => url.href.length + key.length,
  });

  /** Repositories of which upstream has shown that it knows what `last` means. */
  readonly #knowingLast = new LRUCache<RepositoryName, true>({ max: maxPlaces });

  constructor(session: UpstreamSession) {
    this.#session = session;
  }

  async list(
    repository: RepositoryName,
    { n = Number.POSITIVE_INFINITY, last, signal, room }: TagListOptions,
  ): Promise<TagList> {
    const pages = await this.#open(repository, last, { signal, room });
    while (pages.found().length < n && (await pages.read()));
    const tags = pages.found();
    const end = tags.at(-1);
    if (end === undefined && pages.cut === 'failed') pages.checkEmpty();
    if (end !== undefined && pages.link !== undefined) this.#remember(repository, end, pages.link);
    // Whoever is told that there is more asks for what is behind the last one: without any there is no way on.
    return { tags, hasMore: pages.next !== undefined && end !== undefined, cut: pages.cut };
  }

  /** Pages of which the first is read, with which the part behind `last` begins. */
  async #open(repository: RepositoryName, last: string | undefined, options: CallOptions): Promise<TagPages> {
    const behind = (tag: string): URL => this.#url(repository, tag);
    const at = (first: URL, skipTo?: string): TagPages =>
      new TagPages({ session: this.#session, repository, first, skipTo, behind, options });
    if (last === undefined) return await begun(at(this.#url(repository)));
    const place = this.#placeOf(repository, last);
    const followed = place === undefined ? undefined : await unlessRefused(at(place));
    if (followed !== undefined) return followed;
    const direct = await unlessRefused(at(behind(last)));
    const isKnown = this.#knowingLast.has(repository) && direct?.has(last) === false;
    if (direct !== undefined && (direct.beginning === undefined || isKnown)) return direct;
    const start = await begun(at(this.#url(repository), last));
    if (direct === undefined || !isBehind(direct, start, last)) return start;
    this.#knowingLast.set(repository, true);
    return direct;
  }

  #url(repository: RepositoryName, last?: string): URL {
    const page = { n: String(tagsPerPage), ...(last !== undefined && { last }) };
    return this.#session.line({ kind: 'tags', method: 'GET', name: pathOf(repository), ...page }).url;
  }

  #remember(repository: RepositoryName, last: Tag, url: URL): void {
    const until = this.#session.clock.monotonic() + placeMs;
    this.#places.set(`${repository}:${last}`, { url, until });
  }

  #placeOf(repository: RepositoryName, last: string): URL | undefined {
    const place = this.#places.get(`${repository}:${last}`);
    return place !== undefined && this.#session.clock.monotonic() < place.until ? place.url : undefined;
  }
}

/**
 * Is what upstream gives for `last` a part behind it, in whatever order (Quay sorts as its database does), or its first page once
 * more, because it ignores `last`? If all tags are behind it both are the same, and the list from its beginning is right as well.
 */
function isBehind(direct: TagPages, start: TagPages, last: string): boolean {
  return direct.beginning !== start.beginning && !direct.has(last);
}

async function begun(pages: TagPages): Promise<TagPages> {
  await pages.read();
  return pages;
}

/** Undefined: upstream does not take this `last`, or this cursor any more. */
async function unlessRefused(pages: TagPages): Promise<TagPages | undefined> {
  try {
    return await begun(pages);
  } catch (error) {
    if (pages.isRefused) return undefined;
    throw error;
  }
}
