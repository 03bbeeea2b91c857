import { RegistryError } from './error.ts';
import type { ByteRange, RangeSpec } from './registry.ts';

/** More ranges than this in one header are answered whole (RFC 9110 section 14.2 allows it; 17.15 advises it). */
const maxRanges = 64;

/**
 * The ranges of a Range header (RFC 9110 section 14.1.1). Undefined: the header is to be ignored and the whole blob
 * sent, because it is absent, malformed, in another unit, or asks for too many ranges.
 */
export function parseRange(header: string | undefined): readonly RangeSpec[] | undefined {
  const list = /^\s*bytes\s*=(.*)$/i.exec(header ?? '')?.[1];
  if (list === undefined) return undefined;
  const parts = list
    .split(',', maxRanges + 1)
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const specs = parts.flatMap((part) => parseSpec(part) ?? []);
  return specs.length === 0 || specs.length !== parts.length || parts.length > maxRanges ? undefined : specs;
}

function parseSpec(text: string): RangeSpec | undefined {
  const match = /^(\d{0,15})\s*-\s*(\d{0,15})$/.exec(text);
  const first = match?.[1] ?? '';
  const last = match?.[2] ?? '';
  if (first === '') return last === '' ? undefined : { suffix: Number(last) };
  if (last === '') return { first: Number(first) };
  return { first: Number(first), last: Number(last) };
}

/** The header for one range, as sent upstream. */
export function formatRange(spec: RangeSpec): string {
  return 'suffix' in spec ? `bytes=-${spec.suffix}` : `bytes=${spec.first}-${spec.last ?? ''}`;
}

/**
 * What a range means for a blob of `size` bytes: the end clamped, a suffix counted from the end. Throws RANGE_INVALID
 * when no byte is in it. (`5-2` is invalid by RFC 9110 and could be ignored; the OCI conformance suite wants 416.)
 */
export function resolveRange(spec: RangeSpec, size: number): ByteRange {
  const first = 'suffix' in spec ? Math.max(0, size - spec.suffix) : spec.first;
  const last = 'suffix' in spec ? size - 1 : Math.min(spec.last ?? size - 1, size - 1);
  if (first > last) {
    throw new RegistryError('RANGE_INVALID', `no such range in a blob of ${size} bytes`, {
      headers: { 'Content-Range': `bytes */${size}` },
    });
  }
  return { first, last };
}
