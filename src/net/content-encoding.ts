import type { Transform } from 'node:stream';
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
  readonly all: (
    bytes: Uint8Array,
    options: { readonly maxOutputLength: number; readonly info: true },
    callback: (error: Error | null, result: unknown) => void,
  ) => void;
  readonly stream: () => Transform;
  /** A part decoded is no success: of several zstd frames (RFC 8878 section 3) Node.js 24 reads the first, and says no word of the others. */
  readonly readsAll?: true;
}

const gzip: Decoder = { all: gunzip, stream: createGunzip };

const decoders: Readonly<Record<string, Decoder>> = {
  gzip,
  'x-gzip': gzip,
  deflate: { all: inflate, stream: createInflate },
  br: { all: brotliDecompress, stream: createBrotliDecompress },
  zstd: { all: zstdDecompress, stream: createZstdDecompress, readsAll: true },
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
    const { buffer, engine } = await decodeAll(decoder, bytes, maxBytes);
    if (decoder.readsAll === true && engine.bytesWritten < bytes.length) throw new Error('it goes on');
    return buffer;
  } catch (cause) {
    throw new RegistryError('UNAVAILABLE', 'upstream sent a body that cannot be decoded', { cause });
  }
}

/** What zlib gives with its option `info`. */
interface Decoded {
  readonly buffer: Buffer;
  /** `bytesWritten`: of what was encoded, so many were read. */
  readonly engine: { readonly bytesWritten: number };
}

async function decodeAll({ all }: Decoder, bytes: Uint8Array, maxOutputLength: number): Promise<Decoded> {
  return await new Promise((resolve, reject) => {
    all(bytes, { maxOutputLength, info: true }, (error, result) =>
      error === null ? resolve(result as Decoded) : reject(error),
    );
  });
}

/** A stream that decodes; undefined for an unknown encoding. */
export function decodingStream(encoding: string): Transform | undefined {
  return decoderOf(encoding)?.stream();
}

function decoderOf(encoding: string): Decoder | undefined {
  return Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
}
