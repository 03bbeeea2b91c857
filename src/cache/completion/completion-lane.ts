import type { RegistryHost, RepositoryName } from '../../oci/reference.ts';
import { type CompletionClass, type CompletionJob, keyOf } from './completion-job.ts';

/** So many wait at most; the index knows what there is no room for. */
const maxWaiting = 2000;
/** Before what failed is tried again: for the first time, the second, and so on. Milliseconds. */
const pausesMs = [30_000, 120_000, 300_000, 600_000];
/** So often, then it is given up. */
const maxTries = 12;
/** So many different jobs that fail with none that does not in between are the registry's fault. */
const enough = 3;
/** Then one job is tried so much later, twice as much after the next failure. Milliseconds. */
const restMs = 2000;
const maxRestMs = 300_000;

/** A job that waits for its turn. Times by `Clock.monotonic`. */
export interface WaitingJob {
  readonly key: string;
  readonly job: CompletionJob;
  /** When it was first handed in. */
  readonly since: number;
  notBefore: number;
  tries: number;
}

/**
 * What waits of one registry and class, done one at a time; its repositories take turns. What fails is put behind the others, later
 * each time. Where all fails it is the registry: then nothing is held against a job, and one is tried now and then.
 */
export class CompletionLane {
  readonly host: RegistryHost;
  readonly kind: CompletionClass;
  /** When its last attempt began. */
  lastAt: number;
  current: WaitingJob | undefined;
  readonly #repositories = new Map<RepositoryName, Map<string, WaitingJob>>();
  /** Those that failed since something did not, as many as matter. */
  readonly #failing = new Set<string>();
  #failures = 0;
  #restsUntil = 0;
  #count = 0;
  /** None is due before. */
  #dueAt = Number.POSITIVE_INFINITY;

  constructor(host: RegistryHost, kind: CompletionClass, now: number) {
    this.host = host;
    this.kind = kind;
    this.lastAt = now;
  }

  get waiting(): number {
    return this.#count + (this.current === undefined ? 0 : 1);
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  get isTroubled(): boolean {
    return this.#failing.size >= enough;
  }

  /** When the next may be tried. */
  get nextAt(): number {
    return Math.max(this.#dueAt, this.#restsUntil);
  }

  /** When the oldest was handed in. */
  get since(): number {
    let since = this.current?.since ?? Number.POSITIVE_INFINITY;
    for (const waiting of this.#all()) since = Math.min(since, waiting.since);
    return since;
  }

  /** False: there is no room. */
  add(job: CompletionJob, now: number, delayMs: number): boolean {
    const key = keyOf(job);
    if (this.current?.key === key || this.#repositories.get(job.repository)?.has(key) === true) return true;
    if (this.#count >= maxWaiting) return false;
    this.#put({ key, job, since: now, notBefore: now + delayMs, tries: 0 });
    return true;
  }

  /** The next that is due; its repository has had its turn then. */
  take(now: number): WaitingJob | undefined {
    let dueAt = Number.POSITIVE_INFINITY;
    for (const [repository, jobs] of this.#repositories) {
      for (const waiting of jobs.values()) {
        if (waiting.notBefore <= now) return this.#taken(repository, jobs, waiting);
        dueAt = Math.min(dueAt, waiting.notBefore);
      }
    }
    this.#dueAt = dueAt;
    return undefined;
  }

  /** The registry has answered, if only about this job. True: it had failed before. */
  answered(now: number): boolean {
    const wasTroubled = this.isTroubled;
    this.#failing.clear();
    this.#failures = 0;
    this.#restsUntil = 0;
    if (!wasTroubled) return false;
    for (const waiting of this.#all()) Object.assign(waiting, { notBefore: now, tries: 0 });
    this.#dueAt = now;
    return true;
  }

  /** The registry has not. */
  unanswered(waiting: WaitingJob, now: number): void {
    if (!this.isTroubled) this.#failing.add(waiting.key);
    this.#failures += 1;
    if (this.isTroubled)
      this.#restsUntil = now + Math.min(restMs * 2 ** (this.#failures - enough), maxRestMs);
  }

  /** Nothing of it is tried before. */
  rest(until: number): void {
    this.#restsUntil = Math.max(this.#restsUntil, until);
  }

  /** Milliseconds until it is tried again, by itself; undefined: given up. */
  again(waiting: WaitingJob, now: number): number | undefined {
    if (this.isTroubled) return this.putBack(waiting, now, 0);
    waiting.tries += 1;
    if (waiting.tries >= maxTries) return undefined;
    return this.putBack(waiting, now, pausesMs[waiting.tries - 1] ?? pausesMs.at(-1) ?? 0);
  }

  /** It has not had its turn. */
  putBack(waiting: WaitingJob, now: number, delayMs: number): number {
    waiting.notBefore = now + delayMs;
    this.#put(waiting);
    return delayMs;
  }

  #put(waiting: WaitingJob): void {
    const { repository } = waiting.job;
    const jobs = this.#repositories.get(repository) ?? new Map<string, WaitingJob>();
    this.#repositories.set(repository, jobs.set(waiting.key, waiting));
    this.#count += 1;
    this.#dueAt = Math.min(this.#dueAt, waiting.notBefore);
  }

  #taken(repository: RepositoryName, jobs: Map<string, WaitingJob>, waiting: WaitingJob): WaitingJob {
    jobs.delete(waiting.key);
    this.#repositories.delete(repository);
    if (jobs.size > 0) this.#repositories.set(repository, jobs);
    this.#count -= 1;
    return waiting;
  }

  *#all(): Generator<WaitingJob> {
    for (const jobs of this.#repositories.values()) yield* jobs.values();
  }
}
