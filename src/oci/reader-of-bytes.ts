import { resolveRange } from './range.ts';
import type { Digest } from './reference.ts';
import type { BlobReader, RangeSpec } from './registry.ts';

/** Of a blob that was verified and is in memory whole: nobody changes its bytes. Throws RANGE_INVALID. */
export function readerOfBytes(digest: Digest, all: Uint8Array, spec: RangeSpec | undefined): BlobReader {
  const range = spec === undefined ? undefined : resolveRange(spec, all.length);
  const bytes = range === undefined ? all : all.subarray(range.first, range.last + 1);
  return {
    digest,
    size: all.length,
    isVerified: true,
    range,
    bytes,
    body: once(bytes),
    mayKeep: true,
    async [Symbol.asyncDispose]() {},
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
