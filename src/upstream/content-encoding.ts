import type { Transform } from 'node:stream';
import { promisify } from 'node:util';
import {
  brotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  gunzip,
  inflate,
  zstdDecompress,
} from 'node:zlib';
import { RegistryError } from '../oci/error.ts';

interface Decoder {
  readonly all: typeof gunzip | typeof brotliDecompress | typeof zstdDecompress;
  readonly stream: () => Transform;
}

const gzip: Decoder = { all: gunzip, stream: createGunzip };

const decoders: Readonly<Record<string, Decoder>> = {
  gzip,
  'x-gzip': gzip,
  deflate: { all: inflate, stream: createInflate },
  br: { all: brotliDecompress, stream: createBrotliDecompress },
  zstd: { all: zstdDecompress, stream: createZstdDecompress },
};

/** The encoding of a body, undefined for none. We ask for none; some servers encode nevertheless. */
export function contentEncoding(headers: Readonly<Record<string, string>>): string | undefined {
  const encoding = headers['content-encoding']?.trim().toLowerCase();
  return encoding === undefined || encoding === '' || encoding === 'identity' ? undefined : encoding;
}

/** Throws UNAVAILABLE for an unknown encoding, for bytes that are not in it, and beyond `maxBytes`. */
export async function decode(bytes: Uint8Array, encoding: string, maxBytes: number): Promise<Uint8Array> {
  const decoder = decoderOf(encoding);
  if (decoder === undefined) {
    throw new RegistryError('UNAVAILABLE', `upstream sent an unknown Content-Encoding`);
  }
  try {
    const decoded = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(decoder.all);
    return await decoded(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    throw new RegistryError('UNAVAILABLE', 'upstream sent a body that cannot be decoded', { cause });
  }
}

/** A stream that decodes; undefined for an unknown encoding. */
export function decodingStream(encoding: string): Transform | undefined {
  return decoderOf(encoding)?.stream();
}

function decoderOf(encoding: string): Decoder | undefined {
  return Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
}
