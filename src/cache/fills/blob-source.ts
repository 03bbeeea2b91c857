import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { BlobOptions, BlobReader, RangeSpec, Registry, Turn } from '../../oci/registry.ts';
import type { PartDoubt } from './doubted-parts.ts';
import type { FillFollowers } from './fill-followers.ts';
import type { FillSize } from './fill-size.ts';

export interface BlobSourceParts {
  readonly digest: Digest;
  readonly size: FillSize;
  readonly followers: FillFollowers;
  readonly upstream: Pick<Registry, 'getBlob'>;
  readonly doubt: PartDoubt;
  /** Told when the transfer begins to wait for its turn at upstream. */
  readonly onQueued: () => void;
}

/** Where the bytes of one transfer come from: asks upstream for them, and knows which of its places gave some. */
export class BlobSource {
  readonly #parts: BlobSourceParts;
  readonly #asked = Promise.withResolvers<void>();
  /** For each place that bytes came from, if there are several places. */
  readonly #leavePlace = new Set<NonNullable<BlobReader['leavePlace']>>();
  /** Did some come by a part? */
  #byParts = false;
  /** Where the whole was asked for last though only the rest was missing. */
  #begunAnewAt = -1;
  #isQueued = false;
  #hasAnotherPlace = false;

  constructor(parts: BlobSourceParts) {
    this.#parts = parts;
  }

  /** Settles when upstream is asked for the first time. */
  get asked(): Promise<void> {
    return this.#asked.promise;
  }

  /** Does it wait for its turn at upstream? */
  get isQueued(): boolean {
    return this.#isQueued;
  }

  /** Was the last one refused for its size, and is there another place, which may know better? */
  get hasAnotherPlace(): boolean {
    return this.#hasAnotherPlace;
  }

  /** May parts be asked for? */
  get givesParts(): boolean {
    return !this.#parts.doubt.isDoubted;
  }

  /**
   * The blob from this byte on, or whatever carries it; what lies behind `last` is not needed. `standsIn`: another is read meanwhile,
   * whose place it is to take. Where parts are doubted it is the whole, and the rest alone only where the whole got no further.
   */
  async open(
    repository: RepositoryName,
    { first, last }: { readonly first: number; readonly last?: number | undefined },
    signal: AbortSignal,
    standsIn = false,
  ): Promise<BlobReader> {
    this.#asked.resolve();
    if (!standsIn) this.#hasAnotherPlace = false;
    const isAll = (first === 0 && last === undefined) || this.#beginsAnew(first);
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
    range: RangeSpec,
    signal: AbortSignal,
    turn: Turn,
  ): Promise<BlobReader> {
    const { digest, size, upstream } = this.#parts;
    const options = { signal, turn, range, onlyPart: true, size: size.expected };
    return await upstream.getBlob(repository, digest, options);
  }

  #beginsAnew(first: number): boolean {
    if (this.givesParts || this.#begunAnewAt === first) return false;
    this.#begunAnewAt = first;
    return true;
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
  gives({ leavePlace, range }: BlobReader): void {
    this.#byParts ||= range !== undefined;
    if (leavePlace !== undefined) this.#leavePlace.add(leavePlace);
  }

  /** One of those that gave bytes was wrong, and nobody knows which: the next transfer begins with none of them. Nor with parts, if there were some. */
  leavePlaces(): void {
    for (const leave of this.#leavePlace) leave();
    if (this.#byParts) this.#parts.doubt.wrong(this.#leavePlace.size > 0);
  }

  /** All that they gave was right. */
  wasRight(): void {
    this.#parts.doubt.right(this.#byParts);
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
