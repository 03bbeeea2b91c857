/** A folder that is one image, or many, is a layout. */
export type FileKind = 'text' | 'archive' | 'layout';

/** How a tar may be compressed: gzip (RFC 1952), zstd (RFC 8878); the others are known, and not read. */
export type Compression = 'gzip' | 'zstd' | 'xz' | 'bzip2';

/** By so many of its first bytes is known what a file is. */
export const headBytes = 512;

/** Where a tar says that it is one (POSIX.1 ustar). */
const ustarAt = 257;
const ustar = Buffer.from('ustar');

const magics: readonly (readonly [compression: Compression, hex: string])[] = [
  ['gzip', '1f8b'],
  ['zstd', '28b52ffd'],
  ['xz', 'fd377a585a00'],
  ['bzip2', '425a68'],
];

/** What a file is that begins so. What is compressed is taken for a tar. */
export function kindOfHead(head: Uint8Array): Exclude<FileKind, 'layout'> {
  const isTar = ustar.equals(head.subarray(ustarAt, ustarAt + ustar.length));
  return isTar || compressionOf(head) !== undefined ? 'archive' : 'text';
}

/** Undefined: it is not. */
export function compressionOf(head: Uint8Array): Compression | undefined {
  const hex = Buffer.from(head.subarray(0, 6)).toString('hex');
  return magics.find(([, magic]) => hex.startsWith(magic))?.[0];
}
