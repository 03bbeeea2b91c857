import { hostOf, type RegistryHost } from '../../oci/reference.ts';
import { type CompletionJob, classOf } from './completion-job.ts';
import { CompletionLane } from './completion-lane.ts';

/** Of registries, four each at most. */
const maxLanes = 400;
/** Jobs of all registries. */
const maxWaiting = 20_000;

/** What waits to be completed of one registry. */
interface CompletionState {
  readonly host: RegistryHost;
  readonly waiting: number;
  /** How long the oldest of it has waited. Milliseconds. */
  readonly oldestMs: number;
}

/** All that waits: so much of each registry, so much in all. What waits for a registry that does not answer makes room for others. */
export class CompletionLanes {
  readonly #lanes = new Map<string, CompletionLane>();

  /** False: there is no room. */
  add(job: CompletionJob, now: number, delayMs: number): boolean {
    const key = `${hostOf(job.repository)} ${classOf(job)}`;
    const known = this.#lanes.get(key);
    if (this.#isFull(known)) this.#dropWorst(known);
    if (this.#isFull(known)) return false;
    const lane = known ?? new CompletionLane(hostOf(job.repository), classOf(job), now);
    this.#lanes.set(key, lane);
    return lane.add(job, now, delayMs);
  }

  /** Those that something waits in and nothing is done of, the one whose turn was longest ago first. */
  idle(): CompletionLane[] {
    for (const [key, lane] of this.#lanes) if (lane.waiting === 0) this.#lanes.delete(key);
    return [...this.#lanes.values()].filter(({ current }) => current === undefined);
  }

  /** It has its turn now. */
  putLast(lane: CompletionLane): void {
    const key = `${lane.host} ${lane.kind}`;
    this.#lanes.delete(key);
    this.#lanes.set(key, lane);
  }

  /** Of each registry that something waits of. */
  *states(now: number): Generator<CompletionState> {
    for (const [host, lanes] of Map.groupBy(this.#lanes.values(), (lane) => lane.host)) {
      const waiting = lanes.reduce((sum, lane) => sum + lane.waiting, 0);
      const since = Math.min(...lanes.map((lane) => lane.since));
      if (waiting > 0) yield { host, waiting, oldestMs: now - since };
    }
  }

  clear(): void {
    this.#lanes.clear();
  }

  #isFull(known: CompletionLane | undefined): boolean {
    if (known === undefined && this.#lanes.size >= maxLanes) return true;
    let waiting = 0;
    for (const lane of this.#lanes.values()) waiting += lane.waiting;
    return waiting >= maxWaiting;
  }

  #dropWorst(but: CompletionLane | undefined): void {
    let worst: [string, CompletionLane] | undefined;
    for (const [key, lane] of this.#lanes) {
      const mayGo = lane !== but && lane.current === undefined && lane.isTroubled;
      if (mayGo && lane.failures > (worst?.[1].failures ?? 0)) worst = [key, lane];
    }
    if (worst !== undefined) this.#lanes.delete(worst[0]);
  }
}
