import { randomBytes } from 'node:crypto';
import { RegistryError } from '../../oci/error.ts';
import { resolveRange } from '../../oci/range.ts';
import type { BlobReader, ByteRange, RangeSpec } from '../../oci/registry.ts';
import type { Exchange } from './exchange.ts';
import { BodyWriter } from './send-body.ts';

/**
 * Several ranges of a blob as `multipart/byteranges` (RFC 9110 section 14.6), for clients that pull lazily (zstd:chunked).
 * False, with nothing sent: better whole, because the size is not known or the ranges are more than the blob (section 17.15).
 * Throws RANGE_INVALID when no range has a byte in it.
 */
export async function sendRanges(
  exchange: Exchange,
  specs: readonly RangeSpec[],
  open: (spec: RangeSpec) => Promise<BlobReader>,
  describe: (exchange: Exchange, reader: BlobReader) => boolean,
): Promise<boolean> {
  await using first = await openFirst(specs, open);
  const { size } = first;
  const ranges = size === undefined ? [] : specs.flatMap((spec) => satisfiable(spec, size) ?? []);
  if (size === undefined || total(ranges) > size) return false;
  if (!describe(exchange, first)) await sendParts(exchange, size, ranges, first, open);
  return true;
}

async function sendParts(
  exchange: Exchange,
  size: number,
  ranges: readonly ByteRange[],
  first: BlobReader,
  open: (spec: RangeSpec) => Promise<BlobReader>,
): Promise<void> {
  const boundary = randomBytes(12).toString('hex');
  const heads = ranges.map((range) => headOf(range, size, boundary));
  const end = `\r\n--${boundary}--\r\n`;
  const { response } = exchange;
  response.statusCode = 206;
  response.setHeader('Content-Type', `multipart/byteranges; boundary=${boundary}`);
  response.setHeader('Content-Length', total(ranges) + [...heads, end].join('').length);
  const writer = new BodyWriter(exchange);
  for (const [index, range] of ranges.entries()) {
    // One at a time: a reader that waits holds up those of a blob that passes through, and so the next of our own.
    await using reader = index === 0 ? first : await open({ first: range.first, last: range.last });
    if (!isOf(range, reader))
      throw new RegistryError('UNAVAILABLE', 'the blob is to be had only whole by now');
    await writer.write(heads[index] ?? '');
    await writer.writeAll(reader.body);
  }
  await writer.write(end);
  writer.end();
}

/** Another transfer may not know the blob's size, and then it gives the whole. */
function isOf({ first, last }: ByteRange, { range }: BlobReader): boolean {
  return range?.first === first && range.last === last;
}

function total(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** The first range that has a byte in the blob. */
async function openFirst(
  specs: readonly RangeSpec[],
  open: (spec: RangeSpec) => Promise<BlobReader>,
): Promise<BlobReader> {
  let refusal: unknown;
  for (const spec of specs) {
    try {
      return await open(spec);
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'RANGE_INVALID') throw error;
      refusal = error;
    }
  }
  throw refusal;
}

function satisfiable(spec: RangeSpec, size: number): ByteRange | undefined {
  try {
    return resolveRange(spec, size);
  } catch {
    return undefined;
  }
}

function headOf({ first, last }: ByteRange, size: number, boundary: string): string {
  return `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${first}-${last}/${size}\r\n\r\n`;
}
