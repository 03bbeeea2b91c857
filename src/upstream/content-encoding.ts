import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';
import { RegistryError } from '../oci/error.ts';

const decoders: Readonly<Record<string, typeof gunzip | typeof brotliDecompress | typeof zstdDecompress>> = {
  gzip: gunzip,
  'x-gzip': gunzip,
  deflate: inflate,
  br: brotliDecompress,
  zstd: zstdDecompress,
};

/** The encoding of a body, undefined for none. We ask for none; some servers encode nevertheless. */
export function contentEncoding(headers: Readonly<Record<string, string>>): string | undefined {
  const encoding = headers['content-encoding']?.trim().toLowerCase();
  return encoding === undefined || encoding === '' || encoding === 'identity' ? undefined : encoding;
}

/** Throws UNAVAILABLE for an unknown encoding, for bytes that are not in it, and beyond `maxBytes`. */
export async function decode(bytes: Uint8Array, encoding: string, maxBytes: number): Promise<Uint8Array> {
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
  if (decoder === undefined) {
    throw new RegistryError('UNAVAILABLE', `upstream sent an unknown Content-Encoding`);
  }
  try {
    const decoded = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(decoder);
    return await decoded(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    throw new RegistryError('UNAVAILABLE', 'upstream sent a body that cannot be decoded', { cause });
  }
}
