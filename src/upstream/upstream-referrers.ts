import type { TransportResponse } from '../net/transport.ts';
import { NoRoom } from '../oci/busy.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, digestAside, hexOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { maxManifestSize } from '../oci/manifest.ts';
import { mediaTypeOf, ociIndex } from '../oci/media-type.ts';
import { type Digest, parseTag, pathOf, type RepositoryName } from '../oci/reference.ts';
import type { CallOptions, ReferrersList } from '../oci/registry.ts';
import { ListPages, type TakePage, timesWhileKept } from './list-pages.ts';
import { checkServable, type UpstreamManifests } from './upstream-manifests.ts';
import type { UpstreamSession } from './upstream-session.ts';

/** How registries without the referrers API answer; some serve a web page with 200. */
const unsupportedReferrers = new Set([400, 404, 405, 406]);

/** Nothing has so many; clients read 4 MiB of them. */
const maxReferrers = 10_000;

type Page = readonly Descriptor[] | 'unsupported';

/** The referrers of manifests of one upstream (distribution-spec "Listing Referrers"). */
export class UpstreamReferrers {
  readonly #session: UpstreamSession;
  readonly #manifests: UpstreamManifests;

  constructor(session: UpstreamSession, manifests: UpstreamManifests) {
    this.#session = session;
    this.#manifests = manifests;
  }

  async list(repository: RepositoryName, digest: Digest, options: CallOptions): Promise<ReferrersList> {
    const name = pathOf(repository);
    const { url: first } = this.#session.line({ kind: 'referrers', method: 'GET', name, digest });
    const [session, maxEntries] = [this.#session, maxReferrers];
    const pages = new ListPages({ session, repository, first, maxEntries, options });
    const referrers = new Map<Digest, Descriptor>();
    const take: TakePage<Page> = async (response, body) => {
      const page = await this.#page(pages, digest, response, body);
      if (page !== 'unsupported' || pages.count === 1) return page;
      throw await this.#session.error(response, 'NAME_UNKNOWN');
    };
    for (let page = await pages.read(take); page !== undefined; page = await pages.read(take)) {
      if (page === 'unsupported') return await this.#byTag(repository, digest, options);
      for (const descriptor of page) referrers.set(descriptor.digest, descriptor);
    }
    // It has no page behind this one that a client could go on with, and who comes again soon is given all.
    if (pages.failure instanceof NoRoom) throw pages.failure;
    if (pages.isLost) pages.giveUp();
    if (referrers.size === 0) pages.checkEmpty();
    return { referrers: [...referrers.values()], cut: pages.cut };
  }

  async #page(
    pages: ListPages,
    digest: Digest,
    response: TransportResponse,
    body: () => Promise<Uint8Array>,
  ): Promise<Page> {
    if (unsupportedReferrers.has(response.status)) return 'unsupported';
    if (response.status !== 200) throw await this.#session.error(response, 'NAME_UNKNOWN');
    if (mediaTypeOf(response.headers['content-type']) !== ociIndex) return 'unsupported';
    const bytes = await body();
    // Some answer the manifest that was asked about.
    if (await isItself(bytes, digest)) return 'unsupported';
    const { head, items } = await this.#session.read('referrers', bytes, ociIndex, digest, pages.room);
    pages.took(head);
    return items;
  }

  /** The fallback of registries without the API: an index under a tag made of the subject's digest. */
  async #byTag(repository: RepositoryName, digest: Digest, options: CallOptions): Promise<ReferrersList> {
    const tag = parseTag(`${algorithmOf(digest).slice(0, 32)}-${hexOf(digest).slice(0, 64)}`);
    try {
      const { bytes, contentType } = await this.#manifests.fetch(repository, tag, options);
      if (await isItself(bytes, digest)) return { referrers: [] };
      const { head, items } = await this.#session.read('referrers', bytes, contentType, digest, maxReferrers);
      options.room?.settle(timesWhileKept * bytes.length);
      checkServable(head.mediaType, tag);
      const referrers = head.mediaType === ociIndex ? items : [];
      return { referrers, cut: head.isCut ? 'bounded' : undefined };
    } catch (error) {
      if (error instanceof RegistryError && error.status === 404) return { referrers: [] };
      throw error;
    }
  }
}

async function isItself(bytes: Uint8Array, subject: Digest): Promise<boolean> {
  return bytes.length <= maxManifestSize && (await digestAside(algorithmOf(subject), bytes)) === subject;
}
