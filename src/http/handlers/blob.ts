import { parseRange } from '../../oci/range.ts';
import { type Digest, parseDigest } from '../../oci/reference.ts';
import type { BlobInfo, BlobReader, RangeSpec } from '../../oci/registry.ts';
import { setCacheStatus } from '../exchange/cache-status.ts';
import { type Exchange, largeBody } from '../exchange/exchange.ts';
import { sendRanges } from '../exchange/multipart.ts';
import { answersNotModified } from '../exchange/not-modified.ts';
import { BodyWriter } from '../exchange/send-body.ts';
import type { Call, Sources } from './call.ts';

/**
 * How long the head waits for the first bytes: they go together, and what fails before them is an error with a status of its own
 * instead of an answer that breaks off. Milliseconds.
 */
const headWaitsMs = 1000;

/** GET and HEAD of a blob (distribution-spec "Pulling blobs", RFC 9110 section 14). */
export async function blob(
  { exchange, request, repository }: Call<'blob'>,
  { registry }: Sources,
): Promise<void> {
  const digest = parseDigest(request.digest);
  if (exchange.isHead) {
    const info = await exchange.ask(
      async (options) => await registry.resolveBlob(repository, digest, options),
    );
    if (describe(exchange, info)) return;
    if (info.size !== undefined) exchange.response.setHeader('Content-Length', info.size);
    exchange.response.end();
    return;
  }
  const ranges = rangesOf(exchange, digest);
  const open = async (range?: RangeSpec): Promise<BlobReader> =>
    await exchange.ask(async (options) => await registry.getBlob(repository, digest, { ...options, range }));
  if (ranges.length > 1 && (await sendRanges(exchange, ranges, open, describe))) return;
  await sendOne(exchange, await open(ranges.length === 1 ? ranges[0] : undefined));
}

async function sendOne(exchange: Exchange, opened: BlobReader): Promise<void> {
  await using reader = opened;
  const { response } = exchange;
  if (describe(exchange, reader)) return;
  const { range, size, bytes } = reader;
  if (range !== undefined) {
    response.statusCode = 206;
    response.setHeader('Content-Range', `bytes ${range.first}-${range.last}/${size ?? '*'}`);
  }
  const length = range === undefined ? size : range.last - range.first + 1;
  if (length !== undefined) response.setHeader('Content-Length', length);
  if (bytes !== undefined && bytes.length < largeBody) {
    exchange.sendAll(bytes);
    return;
  }
  const writer = new BodyWriter(exchange);
  const late = setTimeout(() => writer.sendHead(), Math.min(headWaitsMs, exchange.headDueMs));
  try {
    await writer.writeAll(reader.body);
  } finally {
    clearTimeout(late);
  }
  writer.end();
}

/**
 * Sets the headers of a blob; true if the client has it already and was told so (304). What is not verified no cache may keep:
 * a part may be wrong, and of a whole answer, which is completed only when it was right, a cache may keep the beginning though it
 * broke off and put another answer's end to it (RFC 9111 section 3.4), as our ETag is the digest.
 */
function describe(exchange: Exchange, { digest, isVerified = false }: BlobInfo): boolean {
  const { response } = exchange;
  response.setHeader('Content-Type', 'application/octet-stream');
  response.setHeader('Docker-Content-Digest', digest);
  response.setHeader('ETag', `"${digest}"`);
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('Cache-Control', isVerified ? 'max-age=31536000, immutable' : 'no-store');
  setCacheStatus(response, exchange.outcome);
  return answersNotModified(exchange);
}

/** None: the whole blob. A Range that is conditional on another version does not count (RFC 9110 section 13.1.5). */
function rangesOf({ request }: Exchange, digest: Digest): readonly RangeSpec[] {
  const condition = request.headers['if-range'];
  if (condition !== undefined && condition !== `"${digest}"`) return [];
  return parseRange(request.headers.range) ?? [];
}
