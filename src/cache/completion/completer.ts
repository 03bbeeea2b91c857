import { LRUCache } from 'lru-cache';
import { abortable } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';
import { Expiring } from '../../base/expiring.ts';
import type { Log } from '../../base/log.ts';
import { TimeLimit } from '../../base/time-limit.ts';
import { Busy } from '../../oci/busy.ts';
import { RegistryError } from '../../oci/error.ts';
import type { RegistryHost } from '../../oci/reference.ts';
import { Stopping } from '../../oci/stopping.ts';
import { PutOffError } from '../fills/put-off.ts';
import { isAbsent } from '../memory/negative-cache.ts';
import { type CompletionJob, keyOf, limitOf, lookMs } from './completion-job.ts';
import type { CompletionLane, WaitingJob } from './completion-lane.ts';
import { CompletionLanes } from './completion-lanes.ts';

/** After a manifest was served its client asks for the blobs that it lacks: it goes first. Milliseconds. */
const headStartMs = 1000;
/** While clients wait for its transfers a registry's turn comes so often, for they may always be there. Milliseconds. */
const shareMs = 30_000;
/** Then it is looked so often whether they still wait. Milliseconds. */
const pollMs = 250;
/** A limit that says no time, and the most that is believed of one that does. Milliseconds. */
const limitedMs = 60_000;
const maxLimitedMs = 6 * 3_600_000;
/** What was given up is not asked for again before, and what upstream does not have. Milliseconds. */
const givenUpMs = 3_600_000;
const absentMs = 6 * 3_600_000;
/** Attempts at a time, and how long one may go on while others wait for its place. Milliseconds. */
const maxRunning = 16;
const turnMs = 600_000;
/** What did not find room is tried again. Milliseconds. */
const roomMs = 60_000;
/** Where nothing of a class can be done now it is not tried before. Milliseconds. */
const putOffMs = 30_000;

export interface CompleterSettings {
  /** Settles when it is done, with what is to be done next; rejects with upstream's error, or with the signal's reason. */
  readonly work: (job: CompletionJob, signal: AbortSignal) => Promise<readonly CompletionJob[]>;
  /** Does a client wait for a transfer of this registry? */
  readonly isBusy: (host: RegistryHost) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

interface Attempt {
  readonly since: number;
  readonly end: AbortController;
}

/**
 * Fetches what belongs to served images and no client asked for, because the node had it already: the next node may have
 * none, and upstream may be gone then. Each registry by itself, after its clients, not while it limits us, and each attempt has
 * an end. What finds no room here, or is given up, is found again in the index.
 */
export class Completer implements AsyncDisposable {
  readonly #settings: CompleterSettings;
  readonly #handedIn = new LRUCache<string, number>({ max: 10_000 });
  readonly #givenUp: Expiring<true>;
  readonly #limitedUntil = new LRUCache<RegistryHost, number>({ max: 1000 });
  readonly #lanes = new CompletionLanes();
  readonly #attempts = new Map<Promise<void>, Attempt>();
  #isStopping = false;
  #wakesAt = Number.POSITIVE_INFINITY;
  #timer: Disposable | undefined;

  constructor(settings: CompleterSettings) {
    this.#settings = settings;
    this.#givenUp = new Expiring(settings.clock, 10_000);
  }

  /** For the hot path: nothing, where it was handed in less than `againMs` ago. `key`: {@link keyOf} the job, from who hands in often. */
  once(job: CompletionJob, againMs = Number.POSITIVE_INFINITY, key = keyOf(job)): void {
    const at = this.#handedIn.get(key);
    if (at !== undefined && (againMs === Number.POSITIVE_INFINITY || this.#now() - at < againMs)) return;
    if (this.add(job)) this.#handedIn.set(key, this.#now());
  }

  /** False: there is no room. */
  add(job: CompletionJob): boolean {
    const now = this.#now();
    if (this.#isStopping) return false;
    if (this.#givenUp.get(keyOf(job)) === true) return true;
    const delayMs = job.kind === 'blobs' || job.kind === 'referrers' ? headStartMs : 0;
    if (!this.#lanes.add(job, now, delayMs)) return false;
    this.#wakeAt(now + delayMs);
    return true;
  }

  /** Told of each failure of upstream: one that refuses us for its limit is left alone for as long as it says, or a minute. */
  noteFailure(host: RegistryHost, error: unknown): void {
    if (!isLimit(error)) return;
    const limited = Math.min(retryAfterOf(error) ?? limitedMs, maxLimitedMs);
    this.#limitedUntil.set(host, this.#now() + limited);
  }

  /** What waits of each registry, and how long the oldest of it has waited; in milliseconds. */
  states(): ReturnType<CompletionLanes['states']> {
    return this.#lanes.states(this.#now());
  }

  #now(): number {
    return this.#settings.clock.monotonic();
  }

  /** Begins what may begin, and sees to it that the rest is looked at again. */
  #turn(): void {
    if (this.#isStopping) return;
    const now = this.#now();
    let next = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes.idle()) {
      const at = this.#mayBeginAt(lane, now);
      if (at > now) next = Math.min(next, at);
      else if (this.#attempts.size < maxRunning) next = Math.min(next, this.#begin(lane, now));
      else next = Math.min(next, this.#makeRoom(now));
    }
    this.#wakeAt(next);
  }

  #mayBeginAt(lane: CompletionLane, now: number): number {
    const { host, kind, lastAt, nextAt } = lane;
    if (kind === 'index') return Math.max(nextAt, lastAt + lookMs);
    const at = Math.max(nextAt, this.#limitedUntil.get(host) ?? 0);
    const isKept = at <= now && now < lastAt + shareMs && this.#settings.isBusy(host);
    return isKept ? now + pollMs : at;
  }

  /** Returns when to look again. */
  #begin(lane: CompletionLane, now: number): number {
    const waiting = lane.take(now);
    if (waiting === undefined) return lane.nextAt;
    lane.lastAt = now;
    lane.current = waiting;
    this.#lanes.putLast(lane);
    const end = new AbortController();
    const attempt = this.#attempt(lane, waiting, end.signal).finally(() => {
      this.#attempts.delete(attempt);
      lane.current = undefined;
      this.#turn();
    });
    this.#attempts.set(attempt, { since: now, end });
    return Number.POSITIVE_INFINITY;
  }

  /** Ends the attempt that has gone on longest, if it has had its turn; returns when to look again. */
  #makeRoom(now: number): number {
    const [oldest] = this.#attempts.values();
    if (oldest === undefined) return now + pollMs;
    if (oldest.since + turnMs <= now) oldest.end.abort(new PutOffError('others wait'));
    return Math.max(oldest.since + turnMs, now + headStartMs);
  }

  async #attempt(lane: CompletionLane, waiting: WaitingJob, end: AbortSignal): Promise<void> {
    const { clock, work } = this.#settings;
    const { job } = waiting;
    using limit = new TimeLimit({
      clock,
      milliseconds: limitOf(job),
      reason: () => new RegistryError('UNAVAILABLE', 'the attempt took too long', { status: 504 }),
      signal: end,
    });
    try {
      const next = await abortable(work(job, limit.signal), limit.signal);
      this.#answered(lane);
      // All of them, and again those that are there already.
      if (next.map((each) => this.add(each)).includes(false)) lane.putBack(waiting, this.#now(), roomMs);
    } catch (error) {
      if (!this.#isStopping) this.#failed(lane, waiting, error);
    }
  }

  #failed(lane: CompletionLane, waiting: WaitingJob, error: unknown): void {
    const now = this.#now();
    const { kind, repository, reference } = waiting.job;
    this.noteFailure(lane.host, error);
    const wasTroubled = lane.isTroubled;
    const againMs = this.#putBack(lane, waiting, error, now);
    const again = againMs === undefined ? 'given up for now' : `${Math.round(againMs / 1000)} s`;
    this.#settings.log.info(
      { err: error, kind, repository, reference, again },
      'completing an image: not fetched',
    );
    if (lane.isTroubled && !wasTroubled)
      this.#tell(lane, 'completing images: the registry fails, and is tried now and then');
  }

  /** Milliseconds until it is tried again; undefined: given up. */
  #putBack(lane: CompletionLane, waiting: WaitingJob, error: unknown, now: number): number | undefined {
    if (isLimit(error)) return lane.putBack(waiting, now, (this.#limitedUntil.get(lane.host) ?? now) - now);
    if (isAnswer(error)) this.#answered(lane);
    else if (!isOurs(error)) lane.unanswered(waiting, now);
    else if (error instanceof PutOffError && error.isOfAll) lane.rest(now + putOffMs);
    const againMs = isAbsent(error) ? undefined : lane.again(waiting, now);
    if (againMs === undefined) this.#givenUp.set(waiting.key, true, isAbsent(error) ? absentMs : givenUpMs);
    return againMs;
  }

  #answered(lane: CompletionLane): void {
    if (lane.answered(this.#now())) this.#tell(lane, 'completing images: the registry answers again');
  }

  #tell({ host, kind, waiting, failures }: CompletionLane, message: string): void {
    this.#settings.log.warn({ upstream: host, of: kind, waiting, failures }, message);
  }

  #wakeAt(at: number): void {
    if (at === Number.POSITIVE_INFINITY || this.#wakesAt <= at) return;
    this.#timer?.[Symbol.dispose]();
    this.#wakesAt = at;
    const wake = (): void => {
      if (this.#wakesAt !== at) return;
      this.#wakesAt = Number.POSITIVE_INFINITY;
      this.#turn();
    };
    const delayMs = at - this.#now();
    if (delayMs <= 0) queueMicrotask(wake);
    else this.#timer = this.#settings.clock.after(delayMs, wake);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#timer?.[Symbol.dispose]();
    this.#lanes.clear();
    for (const { end } of this.#attempts.values()) end.abort(new Stopping());
    await Promise.all(this.#attempts.keys());
  }
}

function isLimit(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.status === 429;
}

/** Has upstream said no, which is an answer? */
function isAnswer(error: unknown): boolean {
  return error instanceof RegistryError && error.status < 500;
}

/** Is it for want of room, memory or time here? */
function isOurs(error: unknown): boolean {
  return error instanceof PutOffError || error instanceof Busy;
}

/** Milliseconds, if the refusal says them. */
function retryAfterOf(error: RegistryError): number | undefined {
  const seconds = Number(error.headers['Retry-After']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}
