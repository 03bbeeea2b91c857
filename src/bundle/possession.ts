import { createHash, type Hash, randomBytes } from 'node:crypto';
import type { OpenBlob } from '../storage/content-store.ts';

/**
 * A bundle that leaves a blob out proves that whoever made it had its bytes: by the hash of a nonce and all of them, which nobody can tell
 * by the digest alone. The nonce has always this length, so that the hash of nothing and the bytes, the digest itself, is no proof. Bytes.
 */
const nonceBytes = 32;

export function newNonce(): string {
  return randomBytes(nonceBytes).toString('hex');
}

export function isNonce(text: unknown): text is string {
  return isHex(text, nonceBytes);
}

/** Of a sha256. */
export function isProof(text: unknown): text is string {
  return isHex(text, 32);
}

function isHex(text: unknown, bytes: number): text is string {
  return typeof text === 'string' && text.length === 2 * bytes && /^[0-9a-f]+$/.test(text);
}

/** Makes the proof of a blob as its bytes pass. */
export class PossessionHasher {
  readonly #hash: Hash;

  constructor(nonce: string) {
    this.#hash = createHash('sha256').update(Buffer.from(nonce, 'hex'));
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
  }

  /** To be called once. */
  proof(): string {
    return this.#hash.digest('hex');
  }
}

export async function proofOf(blob: OpenBlob, nonce: string): Promise<string> {
  const hasher = new PossessionHasher(nonce);
  for await (const chunk of blob.read()) hasher.update(chunk);
  return hasher.proof();
}
