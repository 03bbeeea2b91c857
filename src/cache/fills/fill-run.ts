import type { Clock } from '../../base/clock.ts';
import type { FillFollowers } from './fill-followers.ts';
import type { FillFront } from './fill-front.ts';
import type { FillRuns, RunUnderWay } from './fill-runs.ts';
import type { FillTape } from './fill-tape.ts';
import type { ChunkOwnership } from './memory-window.ts';
import { Speed } from './speed.ts';
import type { Stretch } from './stretch.ts';

export interface FillRunParts {
  readonly tape: FillTape;
  readonly front: FillFront;
  readonly followers: FillFollowers;
  readonly runs: FillRuns;
  readonly clock: Clock;
}

/**
 * Bytes that come by one request of upstream, in order. It ends before the first byte that is here already, or that a run begun
 * further on brings: nothing is fetched twice.
 */
export class FillRun implements RunUnderWay, Disposable {
  readonly origin: number;
  readonly #parts: FillRunParts;
  readonly #stretch: Stretch;
  readonly #speed: Speed;
  readonly #onGivenUp: () => void;
  #end: number;

  /** From byte `origin` on, before `end`. `onGivenUp` is called when another brings the rest. */
  constructor(origin: number, end: number, parts: FillRunParts, onGivenUp: () => void = () => {}) {
    this.#onGivenUp = onGivenUp;
    this.origin = origin;
    this.#end = end;
    this.#parts = parts;
    this.#stretch = parts.tape.begin(origin);
    this.#speed = new Speed(parts.clock);
    parts.runs.add(this);
  }

  /** The next byte that it brings. */
  get at(): number {
    return this.#stretch.end;
  }

  get end(): number {
    return this.#end;
  }

  /** Bytes a millisecond, lately. */
  get rate(): number {
    return this.#speed.rate;
  }

  /** Another brings the rest. */
  giveUp(): void {
    this.#end = this.at;
    this.#onGivenUp();
  }

  /** Does it bring this byte soon, as far as anybody can tell? */
  bringsSoon(byte: number): boolean {
    const { at } = this;
    return at <= byte && byte < this.#end && (at === byte || this.#speed.bringsSoon(byte - at));
  }

  /** Has it met what is here already? */
  get isOver(): boolean {
    return this.at >= this.#limit;
  }

  /** What lies behind this byte is not wanted any more. */
  cutTo(end: number): void {
    this.#end = Math.min(this.#end, Math.max(end, this.at));
  }

  /** The next chunk, as far as it is wanted. Settles when there is room for more, as {@link FillTape.append} does. */
  async take(
    chunk: Uint8Array,
    ownership: ChunkOwnership,
    isLast: boolean,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { tape, front, followers } = this.#parts;
    const { at } = this;
    const fresh = chunk.subarray(0, Math.max(0, this.#limit - at));
    if (fresh.length === 0) return tape.isStored;
    front.passes(at, fresh);
    this.#speed.brought(fresh.length);
    const slow = async (waiting: AbortSignal) => await followers.dropSlowest(this.#held, waiting);
    const stored = tape.append(this.#stretch, fresh, ownership, isLast, signal, slow);
    front.follow();
    this.#parts.runs.moved();
    followers.wake();
    return await stored;
  }

  [Symbol.dispose](): void {
    this.#stretch.over();
    this.#parts.runs.remove(this);
    this.#parts.tape.wake();
    this.#parts.followers.wake();
  }

  /** For what readers are waited: also for those of runs before. */
  get #held() {
    const [stretch, { tape }] = [this.#stretch, this.#parts];
    return {
      get start() {
        return tape.heldFrom(stretch.end);
      },
      get end() {
        return stretch.end;
      },
    };
  }

  get #limit(): number {
    const { tape, runs } = this.#parts;
    // Where nothing is stored what came may have passed by.
    if (!tape.isStored) return this.#end;
    return Math.min(this.#end, tape.here.nextFrom(this.at), runs.nextBeyond(this));
  }
}
