import { sha256 } from '#src/oci/digest.ts';
import type { Digest } from '#src/oci/reference.ts';
import { Random } from './random.ts';

const poolBytes = 8 * 1024 * 1024;
/** The same in every run. */
const pool = filled(Buffer.allocUnsafe(poolBytes));
/** Blobs are cut out of the pool here; many, so that there are enough of one size. */
const offsetStep = 521;

const digests = new Map<string, Digest>();

/** Bytes that exist somewhere in a scenario, by their digest. */
export class Content {
  readonly #bytes = new Map<Digest, Uint8Array>();

  /** A blob of this size; another for each `serial`. Of no bytes there is one. */
  blob(size: number, serial: number): Digest {
    const offset = (serial * offsetStep) % (poolBytes - size);
    const key = `${offset}+${size}`;
    const bytes = pool.subarray(offset, offset + size);
    const digest = digests.get(key) ?? sha256(bytes);
    digests.set(key, digest);
    this.#bytes.set(digest, bytes);
    return digest;
  }

  add(bytes: Uint8Array): Digest {
    const digest = sha256(bytes);
    this.#bytes.set(digest, bytes);
    return digest;
  }

  of(digest: Digest): Uint8Array {
    const bytes = this.#bytes.get(digest);
    if (bytes === undefined) throw new Error(`nobody made ${digest}`);
    return bytes;
  }

  sizeOf(digest: Digest): number {
    return this.of(digest).length;
  }
}

function filled(buffer: Buffer): Buffer {
  const random = new Random(20_240_601);
  const words = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length >> 2);
  for (let at = 0; at < words.length; at += 1) words[at] = random.next() * 4_294_967_296;
  return buffer;
}
