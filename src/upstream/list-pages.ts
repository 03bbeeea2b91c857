import { Claim } from '../base/claim.ts';
import { memoryShare } from '../base/memory-limit.ts';
import { release } from '../base/release.ts';
import { readBody } from '../net/body.ts';
import { contentEncoding, decode } from '../net/content-encoding.ts';
import { timesWhileRead } from '../net/small-body.ts';
import type { TransportResponse } from '../net/transport.ts';
import { tooMuchRead } from '../oci/busy.ts';
import { RegistryError } from '../oci/error.ts';
import { maxManifestSize } from '../oci/manifest.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { AnswerRoom, CallOptions, Cut } from '../oci/registry.ts';
import { nextLink } from './link.ts';
import type { UpstreamSession } from './upstream-session.ts';

/** What is read for one answer. */
const maxPages = 100;
/** What a manifest may have is read everywhere. */
const maxPageBytes = Math.max(maxManifestSize, memoryShare(8 * 1024 * 1024));
/** Of all pages together; the last one may go beyond it. */
const maxBytes = 2 * maxPageBytes;

/** Of a list that was read: its entries, and what is made of them to be sent. */
export const timesWhileKept = 3;

/** Makes a page of an answer, and throws where it is none. */
export type TakePage<Page> = (
  response: TransportResponse,
  body: () => Promise<Uint8Array>,
) => Promise<Page> | Page;

export interface ListPagesSettings {
  readonly session: UpstreamSession;
  readonly repository: RepositoryName;
  readonly first: URL;
  /** Of all pages together, whatever they are: some registries give a list at once. */
  readonly maxEntries: number;
  readonly options: CallOptions;
}

/** The pages of one list behind one another: bounded, none twice, from nowhere but the registry. */
export class ListPages {
  /** The page to be read next; undefined: there is none, as far as upstream says. */
  next: URL | undefined;
  /** Why no more is read though there is more. */
  cut: Cut | undefined;
  /** What kept a later page from being read. */
  failure: RegistryError | undefined;
  /** Upstream says that there is more and not where: its link leads nowhere, or in a circle. */
  isLost = false;
  readonly #session: UpstreamSession;
  readonly #repository: RepositoryName;
  readonly #signal: AbortSignal | undefined;
  readonly #memory: AnswerRoom;
  readonly #seen = new Set<string>();
  #bytes = 0;
  #room: number;
  #isCutShort = false;

  constructor({ session, repository, first, maxEntries, options }: ListPagesSettings) {
    this.#session = session;
    this.#repository = repository;
    this.#signal = options.signal;
    this.#memory = options.room ?? new Claim(session.origin.host);
    this.#room = maxEntries;
    this.next = first;
  }

  /** How many entries may still be taken. */
  get room(): number {
    return this.#room;
  }

  /** To be told of each page. `isCut`: it had more entries than there was room for, and so where it ends is not known. */
  took({ entries, isCut }: { readonly entries: number; readonly isCut: boolean }): void {
    this.#room -= entries;
    this.#isCutShort = isCut;
  }

  get count(): number {
    return this.#seen.size;
  }

  /**
   * The next page, or undefined where there is none or it is not to be had: then `cut` says why, and `next` is where to go on.
   * What is wrong with the first page is thrown: there is nothing yet that it could cut.
   */
  async read<Page>(take: TakePage<Page>): Promise<Page | undefined> {
    const url = this.next;
    if (url === undefined || this.cut !== undefined) return undefined;
    if (this.count === maxPages || this.#bytes >= maxBytes || this.#room <= 0) {
      this.#stop('bounded', 'upstream has more pages than are read');
      return undefined;
    }
    this.#seen.add(url.href);
    try {
      return await this.#read(url, take);
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (this.count === 1 || !(error instanceof RegistryError)) throw error;
      this.failure = error;
      this.#stop('failed', 'a list of upstream broke off', { cause: error.forOperator });
      return undefined;
    }
  }

  /** The list goes on there, unless it was there already: false. */
  goTo(url: URL): boolean {
    if (this.#seen.has(url.href)) return false;
    this.next = url;
    this.isLost = false;
    return true;
  }

  /**
   * To be asked of a list that has no entry, before it says that there are none: throws why it broke off, where it did. That a later page
   * is not there does not mean that nothing is.
   */
  checkEmpty(): void {
    if (this.cut === undefined) return;
    if (this.failure !== undefined && this.failure.status !== 404) throw this.failure;
    const cause = this.failure;
    throw new RegistryError('UNAVAILABLE', 'upstream’s list breaks off before its first entry', { cause });
  }

  /** It is the whole list after all. */
  end(): void {
    this.next = undefined;
    this.cut = undefined;
    this.failure = undefined;
  }

  /** There is more, and no way to it. */
  giveUp(): void {
    this.#stop('failed', 'upstream has a next page and does not say where');
  }

  async #read<Page>(url: URL, take: TakePage<Page>): Promise<Page> {
    const signal = this.#signal;
    await using response = await this.#session.send({
      method: 'GET',
      repository: this.#repository,
      url,
      maxBodyBytes: maxPageBytes,
      room: this.#memory,
      signal,
    });
    let bytes: Uint8Array | undefined;
    const page = await take(response, async () => (bytes = await this.#body(response)));
    if (bytes !== undefined) this.#settle(bytes);
    if (this.#isCutShort) this.#cutShort();
    else this.#follow(url, response.headers['link']);
    return page;
  }

  async #body(response: TransportResponse): Promise<Uint8Array> {
    const bytes = await readBody(response, { maxBytes: maxPageBytes, what: 'list', signal: this.#signal });
    const encoding = contentEncoding(response.headers);
    const list = encoding === undefined ? bytes : await this.#decoded(bytes, encoding);
    this.#bytes += list.length;
    return list;
  }

  /** A few bytes may become a page of the largest. */
  async #decoded(bytes: Uint8Array, encoding: string): Promise<Uint8Array> {
    if (!(await this.#memory.wait(timesWhileRead * maxPageBytes, this.#signal))) throw tooMuchRead();
    return await decode(bytes, encoding, maxPageBytes);
  }

  #settle(page: Uint8Array): void {
    this.#memory.settle(this.#memory.settled + timesWhileKept * page.length);
    release(page);
  }

  /**
   * Of a link its query alone is believed, on the path that was asked. Proxies (Artifactory, Nexus, Pulp, drydock) lose a prefix of
   * the path, add one, or name the host by which they themselves ask; and another host is not ours to follow.
   */
  #follow(asked: URL, header: string | undefined): void {
    const link = nextLink(header);
    const query = link !== undefined && URL.canParse(link, asked.href) ? new URL(link, asked).search : '';
    const next = query === '' ? undefined : this.#session.here(asked.pathname, query);
    this.next = next !== undefined && !this.#seen.has(next.href) ? next : undefined;
    this.isLost = link !== undefined && this.next === undefined;
  }

  /** Upstream's link leads behind what was not taken. */
  #cutShort(): void {
    this.next = undefined;
    this.#stop('bounded', 'upstream has more entries on a page than are read');
  }

  #stop(cut: Cut, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.cut = cut;
    this.#session.onOddity(message, { repository: this.#repository, pages: this.count, ...fields });
  }
}
