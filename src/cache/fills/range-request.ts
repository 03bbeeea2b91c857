import { abortable } from '../../base/abortable.ts';
import { RegistryError } from '../../oci/error.ts';
import type { RepositoryName } from '../../oci/reference.ts';
import type { BlobReader, ByteRange } from '../../oci/registry.ts';
import type { BlobSource } from './blob-source.ts';
import { FillRun, type FillRunParts } from './fill-run.ts';
import type { FillSize } from './fill-size.ts';
import { Overlap } from './overlap.ts';
import { Pace } from './pace.ts';

export interface RangeRequestParts extends FillRunParts {
  readonly repository: RepositoryName;
  readonly source: Pick<BlobSource, 'openPart' | 'gives' | 'givesParts'>;
  readonly range: ByteRange;
  readonly size: Pick<FillSize, 'known'>;
  /** Settles when the headers of what comes in order are here. */
  readonly head: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** One request for a part of a blob, ahead of the rest. */
export class RangeRequest {
  readonly range: ByteRange;
  /** Settles when it has ended, rejects with what broke it. */
  readonly done: Promise<void>;
  readonly #parts: RangeRequestParts;
  readonly #abort = new AbortController();
  #run: FillRun | undefined;
  #received = 0;
  #isUnwanted = false;

  constructor(parts: RangeRequestParts) {
    this.range = parts.range;
    this.#parts = parts;
    this.done = this.#fetch();
  }

  /** Bytes that came. */
  get received(): number {
    return this.#received;
  }

  /** Has upstream not answered yet? */
  get isQueued(): boolean {
    return this.#run === undefined;
  }

  /** Was it ended because no client wants it any more? */
  get isUnwanted(): boolean {
    return this.#isUnwanted;
  }

  /** Where no client wants its rest it ends at the next multiple of `unit` bytes; at once where nothing has come yet. */
  cutUnwanted(unit: number): void {
    const at = this.#run?.at ?? this.range.first;
    if (this.#parts.followers.want(at, this.range.last + 1)) return;
    this.#isUnwanted = true;
    if (this.#run === undefined) this.#abort.abort(new Error('nobody wants this part of the blob any more'));
    else this.#run.cutTo(Math.ceil(at / unit) * unit);
  }

  async #fetch(): Promise<void> {
    const { clock, repository, source, range } = this.#parts;
    const signal = AbortSignal.any([this.#parts.signal, this.#abort.signal]);
    using pace = new Pace(clock, () => this.#abort.abort(new Error('hardly a byte of this part came')));
    const isUrgent = true;
    await using reader = await source.openPart(repository, range, signal, { isUrgent });
    if (!(await this.#isOfSame(reader, signal))) return;
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

  /** It may be asked for before anybody knows the size: of that what comes in order decides. Throws UNAVAILABLE where it is another. */
  async #isOfSame(reader: BlobReader, signal: AbortSignal): Promise<boolean> {
    await abortable(this.#parts.head(), signal);
    const { known } = this.#parts.size;
    if (known === undefined || reader.size === undefined || reader.size === known) return known !== undefined;
    throw new RegistryError(
      'UNAVAILABLE',
      `upstream gives a part of ${reader.size} bytes, expected are ${known}`,
    );
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
