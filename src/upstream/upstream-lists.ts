import { algorithmOf, hexOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { parseJson } from '../oci/json.ts';
import { parseReferrers } from '../oci/manifest.ts';
import { mediaTypeOf, ociIndex } from '../oci/media-type.ts';
import { type Digest, parseTag, pathOf, type RepositoryName, type Tag } from '../oci/reference.ts';
import type { CallOptions, Descriptor } from '../oci/registry.ts';
import { readBody } from './body.ts';
import { contentEncoding, decode } from './content-encoding.ts';
import { nextLink } from './link.ts';
import type { TransportResponse } from './transport/transport.ts';
import type { UpstreamManifests } from './upstream-manifests.ts';
import type { UpstreamSession } from './upstream-session.ts';

const tagsPerPage = 1000;
const maxPages = 100;
const maxPageBytes = 8 * 1024 * 1024;
/** How registries without the referrers API answer; some serve a web page with 200. */
const unsupportedReferrers = new Set([400, 404, 405, 406]);

/** Tag lists and referrers of one upstream (distribution-spec "Content Discovery"). */
export class UpstreamLists {
  readonly #session: UpstreamSession;
  readonly #manifests: UpstreamManifests;

  constructor(session: UpstreamSession, manifests: UpstreamManifests) {
    this.#session = session;
    this.#manifests = manifests;
  }

  async tags(repository: RepositoryName, options: CallOptions): Promise<readonly Tag[]> {
    const first = this.#session.url({ kind: 'tags', name: pathOf(repository) });
    first.searchParams.set('n', String(tagsPerPage));
    const tags = new Set<Tag>();
    for await (const page of this.#pages(repository, first, options)) {
      if (page.status !== 200) throw await this.#session.error(page, 'NAME_UNKNOWN');
      for (const tag of tagsOf(await readPage(page, options))) tags.add(tag);
    }
    return [...tags].sort();
  }

  async referrers(
    repository: RepositoryName,
    digest: Digest,
    options: CallOptions,
  ): Promise<readonly Descriptor[]> {
    const first = this.#session.url({ kind: 'referrers', name: pathOf(repository), digest });
    const referrers = new Map<Digest, Descriptor>();
    for await (const page of this.#pages(repository, first, options)) {
      if (unsupportedReferrers.has(page.status)) return this.#referrersByTag(repository, digest, options);
      if (page.status !== 200) throw await this.#session.error(page, 'NAME_UNKNOWN');
      if (mediaTypeOf(page.headers['content-type']) !== ociIndex) {
        return this.#referrersByTag(repository, digest, options);
      }
      for (const descriptor of parseReferrers(await readPage(page, options)))
        referrers.set(descriptor.digest, descriptor);
    }
    return [...referrers.values()];
  }

  /** The fallback of registries without the API: an index under a tag made of the subject's digest. */
  async #referrersByTag(
    repository: RepositoryName,
    digest: Digest,
    options: CallOptions,
  ): Promise<readonly Descriptor[]> {
    const tag = parseTag(`${algorithmOf(digest).slice(0, 32)}-${hexOf(digest).slice(0, 64)}`);
    try {
      const { descriptor, bytes } = await this.#manifests.get(repository, tag, options);
      return descriptor.mediaType === ociIndex ? parseReferrers(bytes) : [];
    } catch (error) {
      if (error instanceof RegistryError && error.status === 404) return [];
      throw error;
    }
  }

  /** The pages behind one another. A link's host is not believed: proxies get it wrong, and it is not ours to follow. */
  async *#pages(
    repository: RepositoryName,
    first: URL,
    { signal }: CallOptions,
  ): AsyncGenerator<TransportResponse> {
    const seen = new Set<string>();
    let url: URL | undefined = first;
    while (url !== undefined && !seen.has(url.href)) {
      if (seen.size === maxPages) {
        this.#session.onOddity('upstream has more pages than are read', { repository, pages: maxPages });
        return;
      }
      seen.add(url.href);
      const request = { method: 'GET', repository, url, maxBodyBytes: maxPageBytes, signal } as const;
      await using page = await this.#session.send(request);
      yield page;
      url = this.#after(url, page.headers['link']);
    }
  }

  #after(url: URL, header: string | undefined): URL | undefined {
    const link = nextLink(header);
    if (link === undefined || !URL.canParse(link, url.href)) return undefined;
    const { pathname, search } = new URL(link, url);
    return this.#session.here(pathname, search);
  }
}

async function readPage(page: TransportResponse, { signal }: CallOptions): Promise<Uint8Array> {
  const bytes = await readBody(page, { maxBytes: maxPageBytes, what: 'list', signal });
  const encoding = contentEncoding(page.headers);
  return encoding === undefined ? bytes : decode(bytes, encoding, maxPageBytes);
}

/** `tags` may be null, and hold nulls and names that are no tags (Nexus, JFrog). */
function tagsOf(bytes: Uint8Array): Tag[] {
  const json = parseJson(bytes, 'a tag list');
  const tags: unknown = typeof json === 'object' && json !== null && 'tags' in json ? json.tags : undefined;
  return Array.isArray(tags) ? tags.flatMap(tagOf) : [];
}

function tagOf(value: unknown): Tag[] {
  try {
    return typeof value === 'string' ? [parseTag(value)] : [];
  } catch {
    return [];
  }
}
