import { isCut } from '../net/connection-error.ts';
import { contentEncoding } from '../net/content-encoding.ts';
import { parseContentRange, parseLength } from '../net/content-range.ts';
import type { TransportResponse } from '../net/transport.ts';
import { isOfNoBytes } from '../oci/digest.ts';
import { formatRange } from '../oci/range.ts';
import { contentKey, type Digest, pathOf, type RepositoryName } from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  CallOptions,
  RangeSpec,
  ResolveBlobOptions,
} from '../oci/registry.ts';
import {
  bytesOf,
  cutOut,
  encodedPart,
  type Part,
  rangeInvalid,
  resumedPart,
  sentPart,
  unsatisfiedSize,
  wholeForPart,
  wholePart,
  wrongRange,
} from './blob-part.ts';
import { EncodedBlobs } from './encoded-blobs.ts';
import { mayRefuseRange, type ResumeForm, ResumeForms, rangeFor } from './resume-forms.ts';
import type { UpstreamSession } from './upstream-session.ts';

const firstByte: RangeSpec = { first: 0, last: 0 };

/** Blobs of one upstream (distribution-spec "Pulling blobs"). Their digests are for the caller to check. */
export class UpstreamBlobs {
  readonly #session: UpstreamSession;
  readonly #forms = new ResumeForms();
  readonly #encoded: EncodedBlobs;

  constructor(session: UpstreamSession) {
    this.#session = session;
    this.#encoded = new EncodedBlobs(session.clock);
  }

  /**
   * A HEAD; a GET of one byte where the HEAD's answer is a no, which some proxies give for what they have, or lacks the size that
   * nobody knows otherwise.
   */
  async resolve(repository: RepositoryName, digest: Digest, options: ResolveBlobOptions): Promise<BlobInfo> {
    if (this.#session.refusesHead) return await this.#resolveByGet(repository, digest, options);
    const response = await this.#send('HEAD', repository, digest, options);
    const { status } = response;
    if (!this.#session.mayBeThere(response)) throw await this.#session.error(response, 'BLOB_UNKNOWN');
    await response[Symbol.asyncDispose]();
    const size = sizeOf(digest, response);
    if (status === 200 && (size !== undefined || options.sizeKnown === true)) return { digest, size };
    const info = await this.#resolveByGet(repository, digest, options);
    this.#session.contradictHead(status);
    return info;
  }

  async get(repository: RepositoryName, digest: Digest, options: BlobOptions): Promise<BlobReader> {
    const { range, resumes = false, onlyPart = false } = options;
    if (resumes && range !== undefined && 'first' in range) {
      return await this.#resume(repository, digest, range, options);
    }
    if (range === undefined) this.#forms.forget(contentKey(repository, digest));
    const response = await this.#send('GET', repository, digest, options);
    try {
      const part = await this.#part(response, range, onlyPart);
      return await this.#open(repository, digest, response, part, options);
    } catch (error) {
      await response[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** In one form after the other, until one is answered with what can be used. */
  async #resume(
    repository: RepositoryName,
    digest: Digest,
    { first: from, last }: { readonly first: number; readonly last?: number | undefined },
    options: BlobOptions,
  ): Promise<BlobReader> {
    const key = contentKey(repository, digest);
    const refused: ResumeForm[] = [];
    let { size } = options;
    for (let forms = this.#formsAt(key, digest, from); ; forms = forms.slice(1)) {
      const [form = 'whole', next] = forms;
      const range = rangeFor(form, from, last, size);
      if (form === 'closed' && range === undefined && next !== undefined) continue;
      const response = await this.#ask(key, from, repository, digest, { ...options, range });
      const part = resumedPart(response, { first: from, last }, size);
      if (part !== undefined) {
        this.#forms.begun(key, from, form, refused);
        return await this.#open(repository, digest, response, part, options);
      }
      if (next === undefined || !mayRefuseRange(response.status)) {
        this.#forms.begun(key, from);
        throw await this.#unusable(response);
      }
      await response[Symbol.asyncDispose]();
      size ??= response.status === 416 ? unsatisfiedSize(response.headers['content-range']) : undefined;
      refused.push(form);
    }
  }

  #formsAt(key: string, digest: Digest, from: number): readonly ResumeForm[] {
    return this.#encoded.isEncoded(digest) ? ['whole'] : this.#forms.at(key, from);
  }

  /** Some firewalls have no other word for a Range than to cut the connection. */
  async #ask(
    key: string,
    from: number,
    repository: RepositoryName,
    digest: Digest,
    options: BlobOptions,
  ): Promise<TransportResponse> {
    try {
      return await this.#send('GET', repository, digest, options);
    } catch (error) {
      if (isCut(error)) this.#forms.begun(key, from);
      throw error;
    }
  }

  async #unusable(response: TransportResponse): Promise<Error> {
    const { status, headers } = response;
    if (status !== 200 && status !== 206) return await this.#session.error(response, 'BLOB_UNKNOWN');
    await response[Symbol.asyncDispose]();
    return wrongRange(headers['content-range']);
  }

  /** By the headers of a GET, which is closed then: of the first byte, of the whole where upstream refuses a Range. */
  async #resolveByGet(repository: RepositoryName, digest: Digest, options: CallOptions): Promise<BlobInfo> {
    const { signal } = options;
    await using part = await this.#send('GET', repository, digest, { signal, range: firstByte }, false);
    if (part.status < 400 || !mayRefuseRange(part.status)) return await this.#infoOf(digest, part);
    await using whole = await this.#send('GET', repository, digest, { signal });
    return await this.#infoOf(digest, whole);
  }

  async #infoOf(digest: Digest, response: TransportResponse): Promise<BlobInfo> {
    const { status } = response;
    if (status !== 200 && status !== 206) throw await this.#session.error(response, 'BLOB_UNKNOWN');
    return { digest, size: sizeOf(digest, response) };
  }

  async #whole(
    repository: RepositoryName,
    digest: Digest,
    { signal, turn }: BlobOptions,
  ): Promise<TransportResponse> {
    const response = await this.#send('GET', repository, digest, { signal, turn });
    if (response.status !== 200) throw await this.#session.error(response, 'BLOB_UNKNOWN');
    return response;
  }

  #send(
    method: 'GET' | 'HEAD',
    repository: RepositoryName,
    digest: Digest,
    { signal, range, turn }: BlobOptions,
    bulk = method === 'GET',
  ): Promise<TransportResponse> {
    const line = this.#session.line({ kind: 'blob', method, name: pathOf(repository), digest });
    const headers: Record<string, string> = range === undefined ? {} : { range: formatRange(range) };
    return this.#session.send({ ...line, repository, headers, bulk, turn, signal });
  }

  async #part(response: TransportResponse, spec: RangeSpec | undefined, onlyPart: boolean): Promise<Part> {
    const { status, headers } = response;
    if (status === 416 && spec !== undefined) throw rangeInvalid(response);
    if (status !== 200 && (status !== 206 || spec === undefined)) {
      throw await this.#session.error(response, 'BLOB_UNKNOWN');
    }
    if (spec === undefined) return wholePart(response);
    if (contentEncoding(headers) !== undefined) throw encodedPart();
    if (status === 200 && onlyPart) throw wholeForPart();
    return status === 200 ? cutOut(spec, parseLength(headers['content-length'])) : sentPart(spec, response);
  }

  /** What it opens has disposed of the response when it throws. */
  async #open(
    repository: RepositoryName,
    digest: Digest,
    response: TransportResponse,
    part: Part,
    options: BlobOptions,
  ): Promise<BlobReader> {
    const { size: known, signal } = options;
    if (part.range === undefined && contentEncoding(response.headers) !== undefined) {
      const again = async () => await this.#whole(repository, digest, options);
      return await this.#encoded.open({ digest, response, size: known, again, signal });
    }
    const { size, range } = part;
    return {
      digest,
      size,
      range,
      body: bytesOf(response, part, signal),
      mayKeep: true,
      giveBack: response.giveBack,
      heldUpMs: response.heldUpMs,
      [Symbol.asyncDispose]: async () => await response[Symbol.asyncDispose](),
    };
  }
}

/** What the headers say of the whole blob's size: not of its encoding, and never 0 unless it is the blob of no bytes. */
function sizeOf(digest: Digest, { status, headers }: TransportResponse): number | undefined {
  if (isOfNoBytes(digest)) return 0;
  if (contentEncoding(headers) !== undefined) return undefined;
  const size =
    status === 206
      ? parseContentRange(headers['content-range'])?.size
      : parseLength(headers['content-length']);
  return size === 0 ? undefined : size;
}
