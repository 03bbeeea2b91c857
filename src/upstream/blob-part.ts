import { chunksOf } from '../net/body.ts';
import { contentEncoding } from '../net/content-encoding.ts';
import { parseContentRange, parseLength } from '../net/content-range.ts';
import type { TransportResponse } from '../net/transport.ts';
import { RegistryError } from '../oci/error.ts';
import { resolveRange } from '../oci/range.ts';
import type { ByteRange, RangeSpec } from '../oci/registry.ts';

/** Which of an answer's bytes are wanted: `length` of them behind the first `skip`; undefined is all the rest. */
export interface Part {
  readonly size: number | undefined;
  /** Of the blob; undefined is the whole. */
  readonly range: ByteRange | undefined;
  readonly skip: number;
  readonly length: number | undefined;
}

/** All of a blob that comes whole. */
export function wholePart({ headers }: TransportResponse): Part {
  const length = parseLength(headers['content-length']);
  return { size: length, range: undefined, skip: 0, length };
}

/** The range within a whole blob, from an upstream that knows no ranges. */
export function cutOut(spec: RangeSpec, size: number | undefined): Part {
  if (size !== undefined) return partOf(resolveRange(spec, size), size, true);
  if ('suffix' in spec || spec.last === undefined) {
    throw new RegistryError('UNAVAILABLE', 'upstream ignores ranges and does not say the size of the blob');
  }
  return partOf({ first: spec.first, last: spec.last }, undefined, true);
}

/** The range that came, if it is the one that was asked for. */
export function sentPart(spec: RangeSpec, { headers }: TransportResponse): Part {
  const header = headers['content-range'];
  const length = parseLength(headers['content-length']);
  const sent = parseContentRange(header);
  if (sent === undefined) throw wrongRange(header);
  const { first, last, size } = sent;
  const wanted = size === undefined ? unsized(spec, last) : resolveRange(spec, size);
  const isWhole = length === undefined || length === last - first + 1;
  if (!isWhole || wanted.first !== first || wanted.last !== last) throw wrongRange(header);
  return partOf(wanted, size, false);
}

/**
 * Whatever came that carries the byte `from`, for whoever goes on there: the rest, a piece of it, what begins at a block border
 * before it, with 206, or with 200 and a Content-Range, or the whole. Undefined: nothing of use, or nobody can say which bytes it is.
 */
export function resumedPart(
  response: TransportResponse,
  { first: from, last }: { readonly first: number; readonly last?: number | undefined },
  known: number | undefined,
): Part | undefined {
  const { status, headers } = response;
  const header = headers['content-range'];
  if (status === 200 && header === undefined) return wholePart(response);
  if (status !== 200 && status !== 206) return undefined;
  const length = parseLength(headers['content-length']);
  const sent = header === undefined ? restOf(from, last, known, length) : parseContentRange(header);
  if (sent === undefined || sent.first > from || sent.last < from) return undefined;
  const isSized = sent.size === undefined || known === undefined || sent.size === known;
  // Without a length nothing says whether a 200 is the part or the whole.
  const isWhole = length === undefined ? status === 206 : length === sent.last - sent.first + 1;
  // The size of what is encoded on its way is not the blob's, nor are its places.
  const isPlain = contentEncoding(headers) === undefined || (known !== undefined && sent.size === known);
  if (!isSized || !isWhole || !isPlain) return undefined;
  return partOf(sent, sent.size ?? known, false);
}

/** A 206 that does not say what it is, but is as long as what was asked for. */
function restOf(
  from: number,
  last: number | undefined,
  size: number | undefined,
  length: number | undefined,
) {
  if (size === undefined || length === undefined) return undefined;
  const end = [last === undefined ? size : last + 1, size].find((behind) => from + length === behind);
  return end === undefined ? undefined : { first: from, last: end - 1, size };
}

/** What was wanted of a blob whose size upstream keeps to itself: an open end is where it says. */
function unsized(spec: RangeSpec, last: number): ByteRange {
  if ('suffix' in spec) return { first: last + 1 - spec.suffix, last };
  return { first: spec.first, last: Math.min(spec.last ?? last, last) };
}

function partOf({ first, last }: ByteRange, size: number | undefined, whole: boolean): Part {
  return { size, range: { first, last }, skip: whole ? first : 0, length: last - first + 1 };
}

/** Throws UNAVAILABLE when the body breaks off, stalls (504) or ends short. */
export async function* bytesOf(
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

/** The size that a 416 may say, as the header it came in (RFC 9110 section 14.4). */
export function rangeInvalid({ headers }: TransportResponse): RegistryError {
  const size = unsatisfiedSize(headers['content-range']);
  return new RegistryError('RANGE_INVALID', undefined, {
    headers: size === undefined ? {} : { 'Content-Range': `bytes */${size}` },
  });
}

/** The size of a blob by the Content-Range of a 416. */
export function unsatisfiedSize(header: string | undefined): number | undefined {
  const size = /^\s*bytes\s+\*\/(\d{1,15})\s*$/i.exec(header ?? '')?.[1];
  return size === undefined ? undefined : Number(size);
}

/** Quotes the header only where it is a range: it may be anything. */
export function wrongRange(header = 'none'): RegistryError {
  const sent = /^(?:none|bytes [\d*/-]{1,80})$/i.test(header) ? header : 'what is no range';
  return new RegistryError('UNAVAILABLE', `upstream sent another range than was asked for: ${sent}`);
}

/** Read to the part that is wanted it would cost the bytes before that once more. */
export function wholeForPart(): RegistryError {
  return new RegistryError('UNSUPPORTED', 'upstream gives the whole blob for a part of it');
}

export function encodedPart(): RegistryError {
  return new RegistryError('UNAVAILABLE', 'upstream sent a part of what has a Content-Encoding');
}
