import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { RegistryHost } from '../oci/reference.ts';
import { isSameLimit, type Level, type Limits, levels } from './limits.ts';
import type { ReservedRoom } from './reserved-room.ts';

export interface FullLimitsParts {
  readonly limits: Limits;
  readonly room: Pick<ReservedRoom, 'look' | 'underWay' | 'wanted'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looking through what may not go is not done all the time: a pause is so many times as long, up to a minute, or to so many times. */
const timesRest = 50;
const mostRestMs = 60_000;
const leastTimesRest = 10;

/** Which limits the cache is over, and at which it is full: nothing is left that may go for them. */
export class FullLimits {
  readonly #parts: FullLimitsParts;
  /** Those for which nothing may go, by the last look through all that is there. */
  #exhausted: readonly Level[] = [];
  /** Those of them at which the cache is full: until it is a twentieth below. */
  #full: readonly Level[] = [];
  /** By {@link Clock.monotonic}. */
  #restsUntil = 0;

  constructor(parts: FullLimitsParts) {
    this.#parts = parts;
  }

  /** Is it the whole cache? */
  get isAll(): boolean {
    return this.isFor(undefined);
  }

  /** The registries that are full by their own limits. */
  get registries(): readonly RegistryHost[] {
    return this.#full.flatMap(({ host }) => host ?? []);
  }

  /** Is nothing more of this registry to come? What another is over its limit by is not its matter. */
  isFor(registry: RegistryHost | undefined): boolean {
    return this.#full.some(({ host }) => host === undefined || host === registry);
  }

  /** What may go is looked through again from now on, if that was not done a moment ago. */
  begin(): void {
    if (this.#parts.clock.monotonic() >= this.#restsUntil) this.#exhausted = [];
  }

  /** The limits that it is over with what waits for room, and something may be done about. */
  async over(): Promise<readonly Level[]> {
    const { limits, room } = this.#parts;
    const look = await room.look();
    return levels(limits, look, room.wanted).filter(
      (level) =>
        level.taken > (isAmong(this.#full, level) ? level.low : level.most) &&
        !isAmong(this.#exhausted, level),
    );
  }

  /** All was looked through for these, and nothing more may go; it took so many milliseconds. */
  exhaust(exhausted: readonly Level[], tookMs: number): void {
    if (exhausted.length === 0) return;
    this.#exhausted = [...this.#exhausted, ...exhausted];
    const longest = Math.max(mostRestMs, leastTimesRest * tookMs);
    this.#restsUntil = this.#parts.clock.monotonic() + Math.min(timesRest * tookMs, longest);
  }

  /** Looks at which of the limits that are meant it is full. What is too large for what is left is not their matter. The others stay as they were. */
  async judge(isMeant: (level: Level) => boolean = () => true): Promise<void> {
    const { limits, room } = this.#parts;
    const full = levels(limits, await room.look(), room.underWay).filter((level) =>
      isMeant(level)
        ? level.taken > level.low && isAmong(this.#exhausted, level)
        : isAmong(this.#full, level),
    );
    this.#tell(full);
    this.#full = full;
  }

  #tell(full: readonly Level[]): void {
    const { log } = this.#parts;
    if (full.some((level) => !isAmong(this.#full, level)))
      log.error(
        { limits: full },
        'the cache is full and nothing more may go: blobs pass through, nothing is stored',
      );
    if (full.length === 0 && this.#full.length > 0) log.warn({}, 'there is room again: blobs are stored');
  }
}

function isAmong(known: readonly Level[], level: Level): boolean {
  return known.some((each) => isSameLimit(each, level));
}
