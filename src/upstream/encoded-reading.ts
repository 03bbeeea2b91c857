import type { Transform } from 'node:stream';
import { decodingStream } from '../net/content-encoding.ts';
import { DigestHasher } from '../oci/digest.ts';
import type { Digest } from '../oci/reference.ts';

/** A blob that is so small is not fetched a second time. Bytes. */
const maxKept = 1024 * 1024;
/** What is decoded of a blob of unknown size: so much in any case, and then so many times of what came. */
const freelyDecoded = 16 * 1024 * 1024;
const maxRatio = 100;
/** Nobody said its size, and nothing of it goes out before it is read: what goes on beyond this is not waited for. Bytes. */
const maxUnsized = 32 * 2 ** 30;
/** An encoding may make what it cannot compress a little longer; not more than so many times. */
const maxExpansion = 2;

/** What an encoded body has shown to be. */
export interface Reading {
  readonly is: 'raw' | 'decoded';
  readonly size: number;
  /** All of it, if it is small. */
  readonly bytes: Buffer | undefined;
}

/** One way to read a body, and whether it is the blob's. */
class Candidate {
  readonly #hasher: DigestHasher;
  readonly #maxBytes: number;
  #kept: Uint8Array[] | undefined = [];
  isOut = false;

  constructor(digest: Digest, maxBytes: number) {
    this.#hasher = new DigestHasher(digest);
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#hasher.size;
  }

  update(chunk: Uint8Array): void {
    this.#hasher.update(chunk);
    if (this.size > this.#maxBytes) this.isOut = true;
    if (this.isOut || this.size > maxKept) this.#kept = undefined;
    this.#kept?.push(chunk);
  }

  verified(is: Reading['is']): Reading | undefined {
    if (this.isOut || !this.#hasher.isRight) return undefined;
    return { is, size: this.size, bytes: this.#kept && Buffer.concat(this.#kept) };
  }
}

/**
 * A body with a Content-Encoding, hashed in both ways while it comes: as it is, since servers label `gzip` what is a gzip file in
 * itself (moby#17595), and decoded, since others do compress. Holds no more than a small blob; what is decoded is bounded by the
 * blob's size, where that is not known by {@link maxRatio}.
 */
export class EncodedReading implements Disposable {
  readonly #raw: Candidate;
  readonly #decoded: Candidate;
  readonly #maxRaw: number;
  readonly #isSized: boolean;
  readonly #decoder: Transform | undefined;

  /** `most`: bytes of the blob. */
  constructor(digest: Digest, encoding: string, size?: number, most = size ?? maxUnsized) {
    this.#raw = new Candidate(digest, most);
    this.#decoded = new Candidate(digest, most);
    this.#isSized = size !== undefined;
    this.#maxRaw = most * maxExpansion + maxKept;
    this.#decoder = decodingStream(encoding);
    this.#decoder?.on('error', () => this.#giveUpDecoding()).on('data', this.#onDecoded);
    if (this.#decoder === undefined) this.#decoded.isOut = true;
  }

  /** Can it still be the blob in one way? */
  get isHopeful(): boolean {
    return this.#raw.size <= this.#maxRaw && !(this.#raw.isOut && this.#decoded.isOut);
  }

  /** Settles when the chunk was read in both ways. */
  async update(chunk: Uint8Array): Promise<void> {
    this.#raw.update(chunk);
    const decoder = this.#decoder;
    if (decoder === undefined || this.#decoded.isOut) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        decoder.off('close', done);
        resolve();
      };
      // A decoder that has failed does not call back.
      decoder.once('close', done);
      decoder.write(chunk, done);
    });
  }

  /** At the body's end. Undefined: it is the blob in neither way. */
  async result(): Promise<Reading | undefined> {
    const raw = this.#raw.verified('raw');
    const decoder = this.#decoder;
    if (raw !== undefined || decoder === undefined || this.#decoded.isOut) return raw;
    await new Promise((resolve) => decoder.once('close', resolve).end());
    return this.#decoded.verified('decoded');
  }

  [Symbol.dispose](): void {
    this.#decoder?.destroy();
  }

  readonly #onDecoded = (chunk: Buffer): void => {
    this.#decoded.update(chunk);
    const { size } = this.#decoded;
    const isBomb = !this.#isSized && size > freelyDecoded && size > this.#raw.size * maxRatio;
    if (isBomb) this.#decoded.isOut = true;
    if (this.#decoded.isOut) this.#giveUpDecoding();
  };

  #giveUpDecoding(): void {
    this.#decoded.isOut = true;
    this.#decoder?.destroy();
  }
}
