import { isOfNoBytes } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { formatRange, resolveRange } from '../oci/range.ts';
import { type Digest, pathOf, type RepositoryName } from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  ByteRange,
  CallOptions,
  RangeSpec,
  ResolveBlobOptions,
} from '../oci/registry.ts';
import { chunksOf } from './body.ts';
import { contentEncoding } from './content-encoding.ts';
import { parseContentRange, parseLength } from './content-range.ts';
import type { TransportResponse } from './transport/transport.ts';
import type { UpstreamSession } from './upstream-session.ts';

/** Which of an answer's bytes are wanted: `length` of them behind the first `skip`; undefined is all the rest. */
interface Part {
  readonly size: number | undefined;
  readonly range: ByteRange | undefined;
  readonly skip: number;
  readonly length: number | undefined;
}

const firstByte: RangeSpec = { first: 0, last: 0 };

/** Blobs of one upstream (distribution-spec "Pulling blobs"). Their digests are for the caller to check. */
export class UpstreamBlobs {
  readonly #session: UpstreamSession;

  constructor(session: UpstreamSession) {
    this.#session = session;
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
    const response = await this.#send('GET', repository, digest, options);
    try {
      const part = await this.#part(response, options.range);
      const { size, range } = part;
      return {
        digest,
        size,
        range,
        body: bytesOf(response, part, options.signal),
        mayKeep: true,
        giveBack: response.giveBack,
        async [Symbol.asyncDispose]() {
          await response[Symbol.asyncDispose]();
        },
      };
    } catch (error) {
      await response[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** By the headers of a GET, which is closed then: of the first byte, of the whole where upstream refuses a Range. */
  async #resolveByGet(repository: RepositoryName, digest: Digest, options: CallOptions): Promise<BlobInfo> {
    const { signal } = options;
    await using part = await this.#send('GET', repository, digest, { signal, range: firstByte }, false);
    if (part.status !== 400 && part.status !== 416) return await this.#infoOf(digest, part);
    await using whole = await this.#send('GET', repository, digest, { signal });
    return await this.#infoOf(digest, whole);
  }

  async #infoOf(digest: Digest, response: TransportResponse): Promise<BlobInfo> {
    const { status } = response;
    if (status !== 200 && status !== 206) throw await this.#session.error(response, 'BLOB_UNKNOWN');
    return { digest, size: sizeOf(digest, response) };
  }

  #send(
    method: 'GET' | 'HEAD',
    repository: RepositoryName,
    digest: Digest,
    { signal, range }: BlobOptions,
    bulk = method === 'GET',
  ): Promise<TransportResponse> {
    const url = this.#session.url({ kind: 'blob', name: pathOf(repository), digest });
    const headers: Record<string, string> = range === undefined ? {} : { range: formatRange(range) };
    return this.#session.send({ method, repository, url, headers, bulk, signal });
  }

  async #part(response: TransportResponse, spec: RangeSpec | undefined): Promise<Part> {
    const { status, headers } = response;
    if (status === 416 && spec !== undefined) throw rangeInvalid(headers['content-range']);
    if (status !== 200 && (status !== 206 || spec === undefined)) {
      throw await this.#session.error(response, 'BLOB_UNKNOWN');
    }
    if (contentEncoding(headers) !== undefined) {
      throw new RegistryError('UNAVAILABLE', 'upstream sent a blob with a Content-Encoding');
    }
    const length = parseLength(headers['content-length']);
    if (spec === undefined) return { size: length, range: undefined, skip: 0, length };
    return status === 200 ? cutOut(spec, length) : sentPart(spec, headers['content-range'], length);
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

/** The range within a whole blob, from an upstream that knows no ranges. */
function cutOut(spec: RangeSpec, size: number | undefined): Part {
  if (size !== undefined) return partOf(resolveRange(spec, size), size, true);
  if ('suffix' in spec || spec.last === undefined) {
    throw new RegistryError('UNAVAILABLE', 'upstream ignores ranges and does not say the size of the blob');
  }
  return partOf({ first: spec.first, last: spec.last }, undefined, true);
}

/** The range that came, if it is the one that was asked for. */
function sentPart(spec: RangeSpec, header: string | undefined, length: number | undefined): Part {
  const sent = parseContentRange(header);
  if (sent === undefined) throw wrongRange(header);
  const { first, last, size } = sent;
  const wanted = size === undefined ? unsized(spec, last) : resolveRange(spec, size);
  const isWhole = length === undefined || length === last - first + 1;
  if (!isWhole || wanted.first !== first || wanted.last !== last) throw wrongRange(header);
  return partOf(wanted, size, false);
}

/** What was wanted of a blob whose size upstream keeps to itself: an open end is where it says. */
function unsized(spec: RangeSpec, last: number): ByteRange {
  if ('suffix' in spec) return { first: last + 1 - spec.suffix, last };
  return { first: spec.first, last: Math.min(spec.last ?? last, last) };
}

function partOf(range: ByteRange, size: number | undefined, whole: boolean): Part {
  return { size, range, skip: whole ? range.first : 0, length: range.last - range.first + 1 };
}

/** Throws UNAVAILABLE when the body breaks off, stalls (504) or ends short. */
async function* bytesOf(
  response: TransportResponse,
  { skip, length }: Part,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let toSkip = skip;
  let left = length ?? Number.POSITIVE_INFINITY;
  try {
    for await (const chunk of chunksOf(response, signal)) {
      const bytes = chunk.subarray(Math.min(toSkip, chunk.length));
      toSkip -= chunk.length - bytes.length;
      left -= bytes.length;
      if (bytes.length > 0) yield left < 0 ? bytes.subarray(0, left) : bytes;
      if (left <= 0) break;
    }
    if (left > 0 && length !== undefined)
      throw new RegistryError('UNAVAILABLE', 'the blob of upstream ended short');
  } finally {
    await response[Symbol.asyncDispose]();
  }
}

function rangeInvalid(contentRange: string | undefined): RegistryError {
  const known = /^\s*bytes\s+\*\/\d{1,15}\s*$/i.test(contentRange ?? '');
  return new RegistryError('RANGE_INVALID', undefined, {
    headers: known ? { 'Content-Range': contentRange?.trim() ?? '' } : {},
  });
}

function wrongRange(header: string | undefined): RegistryError {
  const sent = header === undefined ? 'none' : JSON.stringify(header.slice(0, 80));
  return new RegistryError('UNAVAILABLE', `upstream sent another range than was asked for: ${sent}`);
}
