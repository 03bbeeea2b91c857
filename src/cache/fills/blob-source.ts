import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { BlobOptions, BlobReader, ByteRange, Registry, Turn } from '../../oci/registry.ts';
import type { FillFollowers } from './fill-followers.ts';
import type { FillSize } from './fill-size.ts';

export interface BlobSourceParts {
  readonly digest: Digest;
  readonly size: FillSize;
  readonly followers: FillFollowers;
  readonly upstream: Pick<Registry, 'getBlob'>;
  /** Told when the transfer begins to wait for its turn at upstream. */
  readonly onQueued: () => void;
}

/** Where the bytes of one transfer come from: asks upstream for them, and knows which of its places gave some. */
export class BlobSource {
  readonly #parts: BlobSourceParts;
  /** For each place that bytes came from, if there are several places. */
  readonly #leavePlace = new Set<NonNullable<BlobReader['leavePlace']>>();
  #isQueued = false;
  #hasAnotherPlace = false;

  constructor(parts: BlobSourceParts) {
    this.#parts = parts;
  }

  /** Does it wait for its turn at upstream? */
  get isQueued(): boolean {
    return this.#isQueued;
  }

  /** Was the last one refused for its size, and is there another place, which may know better? */
  get hasAnotherPlace(): boolean {
    return this.#hasAnotherPlace;
  }

  /**
   * The blob from this byte on, or whatever carries it; what lies behind `last` is not needed. `standsIn`: another is read meanwhile,
   * whose place it is to take.
   */
  async open(
    repository: RepositoryName,
    { first, last }: { readonly first: number; readonly last?: number | undefined },
    signal: AbortSignal,
    standsIn = false,
  ): Promise<BlobReader> {
    if (!standsIn) this.#hasAnotherPlace = false;
    const isAll = first === 0 && last === undefined;
    return await this.#ask(repository, {
      signal,
      turn: this.#turn(standsIn),
      ...(!isAll && { range: { first, last }, resumes: true }),
    });
  }

  /**
   * These bytes and nothing else, beside what is read in order. Rejects where upstream does not give just them. What it says of the size
   * is for the caller to compare: of that the transfer in order decides.
   */
  async openPart(
    repository: RepositoryName,
    range: ByteRange,
    signal: AbortSignal,
    turn: Turn,
  ): Promise<BlobReader> {
    const { digest, size, upstream } = this.#parts;
    const options = { signal, turn, range, onlyPart: true, size: size.expected };
    return await upstream.getBlob(repository, digest, options);
  }

  async #ask(repository: RepositoryName, options: BlobOptions): Promise<BlobReader> {
    const { digest, size, upstream } = this.#parts;
    const reader = await upstream.getBlob(repository, digest, { ...options, size: size.expected });
    try {
      this.#agreeOnSize(reader);
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
    return reader;
  }

  /** Bytes come from this one. */
  gives({ leavePlace }: BlobReader): void {
    if (leavePlace !== undefined) this.#leavePlace.add(leavePlace);
  }

  /** One of those that gave bytes was wrong, and nobody knows which: the next transfer begins with none of them. */
  leavePlaces(): void {
    for (const leave of this.#leavePlace) leave();
  }

  #turn(standsIn: boolean): Turn {
    const { followers, onQueued } = this.#parts;
    return {
      get isUrgent() {
        return followers.isWaitedFor;
      },
      standsIn,
      waits: (isWaiting) => {
        this.#isQueued = isWaiting;
        if (isWaiting) onQueued();
      },
    };
  }

  #agreeOnSize(reader: BlobReader): void {
    try {
      this.#parts.size.agree(reader);
    } catch (error) {
      this.#hasAnotherPlace = reader.leavePlace !== undefined;
      if (this.#hasAnotherPlace) reader.leavePlace?.();
      else this.leavePlaces();
      throw error;
    }
  }
}
