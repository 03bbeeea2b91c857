import { createHash, type Hash, hash, webcrypto } from 'node:crypto';
import { Fault } from './fault.ts';
import { type Digest, parseDigest } from './reference.ts';

declare const verified: unique symbol;
/** Proof that the bytes of a blob were hashed and are what its digest says. Only {@link verifyWhole} and the hashers below make one. */
export interface VerifiedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly [verified]: true;
}

/** The sha256 digest of bytes in memory. */
export function sha256(bytes: Uint8Array): Digest {
  return `sha256:${hash('sha256', bytes, 'hex')}` as Digest;
}

/** Hashes all bytes of a blob at once. Throws a {@link Fault} when they are not the digest's. */
export function verifyWhole(digest: Digest, bytes: Uint8Array): VerifiedBlob {
  const actual = digestLike(digest, bytes);
  if (actual !== digest) throw wrongBytes(digest, actual);
  return { digest, size: bytes.length } as VerifiedBlob;
}

/** The digest of bytes in memory, by the algorithm of another digest. */
export function digestLike(digest: Digest, bytes: Uint8Array): Digest {
  const algorithm = algorithmOf(digest);
  return parseDigest(`${algorithm}:${hash(algorithm, bytes, 'hex')}`);
}

/** What is hashed where it is, in a millisecond. Bytes. */
const maxHere = 256 * 1024;
const subtleNames: Readonly<Record<string, string>> = { sha256: 'SHA-256', sha512: 'SHA-512' };

/** The digest of bytes in memory; of many by another thread, since four megabytes take ten milliseconds. */
export async function digestAside(algorithm: string, bytes: Uint8Array): Promise<Digest> {
  const name = subtleNames[algorithm];
  if (bytes.length <= maxHere || name === undefined)
    return parseDigest(`${algorithm}:${hash(algorithm, bytes, 'hex')}`);
  const sum = await webcrypto.subtle.digest(name, bytes as Uint8Array<ArrayBuffer>);
  return parseDigest(`${algorithm}:${Buffer.from(sum).toString('hex')}`);
}

const noBytes: ReadonlySet<string> = new Set(
  ['sha256', 'sha512'].map((algorithm) => `${algorithm}:${hash(algorithm, '', 'hex')}`),
);

/** Is this the digest of no bytes? Of no other blob a size of 0 is true, whoever says so. */
export function isOfNoBytes(digest: Digest): boolean {
  return noBytes.has(digest);
}

/** `sha256` or `sha512`. */
export function algorithmOf(digest: Digest): string {
  return digest.slice(0, digest.indexOf(':'));
}

export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Hashes a blob as it comes in and says at its end whether it is the one that was asked for. */
export class DigestHasher {
  readonly #expected: Digest;
  readonly #hash: Hash;
  #size = 0;

  constructor(expected: Digest) {
    this.#expected = expected;
    this.#hash = createHash(algorithmOf(expected));
  }

  /** Bytes hashed so far. */
  get size(): number {
    return this.#size;
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /** The hash of the bytes so far, in hex. */
  sum(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Are the bytes so far all of it? */
  get isRight(): boolean {
    return `${algorithmOf(this.#expected)}:${this.sum()}` === this.#expected;
  }

  /** To be called once, at the end. Throws a {@link Fault} when the bytes are not the digest's. */
  verify(): VerifiedBlob {
    const actual = `${algorithmOf(this.#expected)}:${this.#hash.digest('hex')}`;
    if (actual !== this.#expected) throw wrongBytes(this.#expected, actual);
    return { digest: this.#expected, size: this.#size } as VerifiedBlob;
  }
}

function wrongBytes(wanted: Digest, got: string): Fault {
  return new Fault(`wrong bytes: want ${wanted}, got ${got}`);
}

/** Hashes a blob whose digest nobody has said: at its end it has one. */
export class BlobHasher {
  readonly #hash = createHash('sha256');
  #size = 0;

  /** Bytes hashed so far. */
  get size(): number {
    return this.#size;
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /** To be called once, at the end. */
  verify(): VerifiedBlob {
    return { digest: parseDigest(`sha256:${this.#hash.digest('hex')}`), size: this.#size } as VerifiedBlob;
  }
}
