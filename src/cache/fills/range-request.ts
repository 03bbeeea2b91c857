import { abortable } from '../../base/abortable.ts';
import { RegistryError } from '../../oci/error.ts';
import type { RepositoryName } from '../../oci/reference.ts';
import type { BlobReader, ByteRange, RangeSpec } from '../../oci/registry.ts';
import type { BlobSource } from './blob-source.ts';
import { FillRun, type FillRunParts } from './fill-run.ts';
import type { FillSize } from './fill-size.ts';
import { Overlap } from './overlap.ts';
import { Pace } from './pace.ts';

export interface RangeRequestParts extends FillRunParts {
  readonly repository: RepositoryName;
  readonly source: Pick<BlobSource, 'openPart' | 'gives' | 'givesParts' | 'isQueued'>;
  readonly wanted: RangeSpec;
  readonly size: Pick<FillSize, 'known'>;
  /** Settles when the headers of what comes in order are here. */
  readonly head: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** One request for a part of a blob, ahead of the rest. */
export class RangeRequest {
  /** Settles when it has ended; rejects with what broke it, and not before upstream has said how long the blob is: what that means depends on it. */
  readonly done: Promise<void>;
  readonly #parts: RangeRequestParts;
  readonly #abort = new AbortController();
  #run: FillRun | undefined;
  #received = 0;
  #isEnded = false;

  constructor(parts: RangeRequestParts) {
    this.#parts = parts;
    this.done = this.#fetch();
  }

  /** Which bytes it is for; undefined: those at the end of a blob whose size nobody has said yet. */
  get range(): ByteRange | undefined {
    const { size, wanted } = this.#parts;
    if ('first' in wanted) return { first: wanted.first, last: wanted.last ?? Number.POSITIVE_INFINITY };
    if (size.known === undefined) return undefined;
    return { first: Math.max(0, size.known - wanted.suffix), last: size.known - 1 };
  }

  /** Bytes that came. */
  get received(): number {
    return this.#received;
  }

  /** Has upstream not answered yet? */
  get isQueued(): boolean {
    return this.#run === undefined;
  }

  /** Was it ended from here, whatever upstream would have given? */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Where no client wants its rest it ends at the next multiple of `unit` bytes; at once where nothing has come yet. */
  cutUnwanted(unit: number): void {
    const { first = 0, last = Number.POSITIVE_INFINITY } = this.range ?? {};
    const at = this.#run?.at ?? first;
    if (this.#parts.followers.want(at, last + 1)) return;
    this.#isEnded = true;
    if (this.#run === undefined) this.#abort.abort(new Error('nobody wants this part of the blob any more'));
    else this.#run.cutTo(Math.ceil(at / unit) * unit);
  }

  /** Ends where nothing has come yet. */
  giveWay(): void {
    if (this.#run !== undefined) return;
    this.#isEnded = true;
    this.#abort.abort(new Error('what comes in order goes first'));
  }

  async #fetch(): Promise<void> {
    const { clock, repository, source, wanted } = this.#parts;
    const signal = AbortSignal.any([this.#parts.signal, this.#abort.signal]);
    const isUrgent = true;
    await using reader = await source
      .openPart(repository, wanted, signal, { isUrgent })
      .catch(async (error: unknown) => {
        await abortable(this.#parts.head(), signal);
        throw error;
      });
    using pace = new Pace(clock, () => this.#slow(reader));
    const range = await this.#rangeOf(reader, signal);
    if (range === undefined) return;
    const { tape, runs } = this.#parts;
    const origin = tape.here.endFrom(range.first);
    // Another was faster.
    if (origin > range.last || runs.bringsSoon(origin)) return;
    const giveUp = () => this.#abort.abort(new Error('what comes in order is faster than this part'));
    using run = new FillRun(origin, range.last + 1, this.#parts, giveUp);
    this.#run = run;
    source.gives(reader);
    pace.begin(reader.heldUpMs);
    await this.#read(run, reader, pace, signal);
  }

  /**
   * It may be asked for before anybody knows the size: of that what comes in order decides. Undefined: nobody does even then. Throws UNAVAILABLE
   * where the part is one of another size.
   */
  async #rangeOf(reader: BlobReader, signal: AbortSignal): Promise<ByteRange | undefined> {
    await abortable(this.#parts.head(), signal);
    const { known } = this.#parts.size;
    if (known === undefined) return undefined;
    const { size = known, range } = reader;
    if (size === known && range?.first === this.range?.first) return range;
    throw new RegistryError('UNAVAILABLE', `upstream gives a part of ${size} bytes, expected are ${known}`);
  }

  /** Where it is asked for again it is so elsewhere first. */
  #slow({ putOffPlace }: BlobReader): void {
    putOffPlace?.();
    this.#abort.abort(new Error('hardly a byte of this part came'));
  }

  async #read(run: FillRun, reader: BlobReader, pace: Pace, signal: AbortSignal): Promise<void> {
    const here = {
      get size() {
        return run.at;
      },
      sum: () => undefined,
    };
    const overlap = new Overlap(here, reader);
    for await (const chunk of reader.body) {
      signal.throwIfAborted();
      const { length } = chunk;
      const fresh = overlap.freshOf(chunk);
      pace.arrived(length);
      const before = run.at;
      const isStored = await run.take(fresh, reader, false, signal);
      this.#received += run.at - before;
      // Where nothing is stored it comes in order, and once more.
      if (run.isOver || !isStored) return;
      pace.waits();
    }
  }
}
