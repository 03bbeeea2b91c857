import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { hostOf, type RegistryHost } from '../../oci/reference.ts';
import { roomOnWord } from '../../storage/store-room.ts';
import type { Fill } from './fill.ts';
import { PutOffError } from './put-off.ts';

/** So many in the process where it has files enough; of a registry half of its places. */
const usualFills = 64;
/**
 * Bytes that are still to come, of all of them together and of one registry's: room on the disk that nobody has asked for. Whose word does not make others give way has that
 * against him alone; with all others counts what has come of his.
 */
const maxLeft = 64 * 2 ** 30;
const maxLeftOfHost = maxLeft / 2;
/**
 * So long one goes on without a client. A large one may take longer: as long as its bytes
 * take at a rate that a slow line has. Milliseconds, bytes a second.
 */
const usualAloneMs = 3_600_000;
const slowRate = 256 * 1024;
const maxAloneMs = 24 * 3_600_000;

/** What has found room so far. */
interface Room {
  fills: number;
  left: number;
}

/**
 * Transfers that no client waits for, since those that did have left or it completes an image. They go on, for the next client will
 * want the blob, as far as there is room: the furthest of each registry has it first, then the second of each, and so on. A client that
 * waits for its turn at a registry has the place of one of them.
 */
export class AbandonedFills {
  readonly #running: ReadonlySet<Fill>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #maxFills: number;
  /** With the end of each, the longest abandoned first. */
  readonly #ends = new Map<Fill, Disposable>();

  constructor(running: ReadonlySet<Fill>, clock: Clock, log: Log, maxFills = usualFills) {
    this.#running = running;
    this.#clock = clock;
    this.#log = log;
    this.#maxFills = maxFills;
  }

  get count(): number {
    return this.#ends.size;
  }

  /** To be told of a fill whenever its clients come or go, it begins to wait for its turn, more has come by which it counts, or it has all or is over. */
  judge(fill: Fill): void {
    if (!fill.isAbandoned || !this.#running.has(fill)) this.#forget(fill);
    else if (!this.#ends.has(fill)) this.#admit(fill);
    // With one that is over its place is free, and taken by whoever waits.
    if (this.#ends.size === 0 || !(fill.isAbandoned || isInLine(fill))) return;
    this.#endWhatHasNoRoom();
    this.#makeRoomAt(hostOf(fill.repository));
  }

  #admit(fill: Fill): void {
    const end = () => this.#end(fill, 'it takes too long', false);
    this.#ends.set(fill, this.#clock.after(aloneMsOf(fill), end));
  }

  #forget(fill: Fill): void {
    this.#ends.get(fill)?.[Symbol.dispose]();
    this.#ends.delete(fill);
  }

  /** `isOfAll`: another would fare no better. */
  #end(fill: Fill, why: string, isOfAll = true): void {
    const { digest, repository } = fill;
    const { received } = fill.progress;
    this.#log.info({ digest, repository, received, why }, 'a blob transfer is ended that nobody waits for');
    this.#forget(fill);
    fill.cancel(new PutOffError(`nobody waited for this blob: ${why}`, { isOfAll }));
  }

  #endWhatHasNoRoom(): void {
    const all: Room = { fills: 0, left: 0 };
    const ofHosts = new Map<RegistryHost, Room>();
    for (const fill of inTurns(this.#furthestFirst())) {
      const host = hostOf(fill.repository);
      const ofHost = ofHosts.get(host) ?? { fills: 0, left: 0 };
      ofHosts.set(host, ofHost);
      const [left, counted] = [leftOf(fill), countedOf(fill)];
      const fits = hasRoom(all, counted, this.#maxFills, maxLeft);
      if (fits && hasRoom(ofHost, left, fill.maxAbandoned, maxLeftOfHost)) {
        take(all, counted);
        take(ofHost, left);
      } else this.#end(fill, 'there are too many of them', left <= maxLeftOfHost);
    }
  }

  /** As many places as clients wait for, less those that are about to become free. */
  #makeRoomAt(host: RegistryHost): void {
    let wanted = 0;
    for (const fill of this.#running) {
      if (hostOf(fill.repository) !== host) continue;
      if (isInLine(fill)) wanted += 1;
      else if (fill.isCancelled && !fill.isQueued) wanted -= 1;
    }
    if (wanted <= 0) return;
    const removable = this.#furthestFirst().filter(
      ({ repository, isQueued }) => hostOf(repository) === host && !isQueued,
    );
    for (const fill of removable.slice(-wanted)) this.#end(fill, 'a client waits for its place');
  }

  #furthestFirst(): readonly Fill[] {
    return [...this.#ends.keys()].toSorted((one, other) => shareOf(other) - shareOf(one));
  }
}

/** Does it wait for its turn at upstream, and a client for it? */
function isInLine({ isQueued, isWaitedFor }: Fill): boolean {
  return isQueued && isWaitedFor;
}

/** One of each registry after the other, so that none takes the room of all. */
function inTurns(fills: readonly Fill[]): readonly Fill[] {
  const turns = new Map<RegistryHost, number>();
  const turnOf = new Map<Fill, number>();
  for (const fill of fills) {
    const host = hostOf(fill.repository);
    const turn = turns.get(host) ?? 0;
    turns.set(host, turn + 1);
    turnOf.set(fill, turn);
  }
  return fills.toSorted((one, other) => (turnOf.get(one) ?? 0) - (turnOf.get(other) ?? 0));
}

/** How much of it is here, of 1. */
function shareOf({ progress: { received, expected } }: Fill): number {
  if (expected === undefined) return 0;
  return expected === 0 ? 1 : received / expected;
}

function aloneMsOf(fill: Fill): number {
  return Math.min(Math.max((leftOf(fill) / slowRate) * 1000, usualAloneMs), maxAloneMs);
}

function leftOf({ progress: { received, expected, limit } }: Fill): number {
  return Math.max(0, (expected ?? limit) - received);
}

/** As far as others give way for it. */
function countedOf(fill: Fill): number {
  const left = leftOf(fill);
  return fill.isBelieved ? left : roomOnWord(fill.progress.received, left).room;
}

function hasRoom({ fills, left }: Room, more: number, maxFills: number, maxLeft: number): boolean {
  return fills < maxFills && left + more <= maxLeft;
}

function take(room: Room, left: number): void {
  room.fills += 1;
  room.left += left;
}
