import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { type Digest, hostOf, type RegistryHost, type RepositoryName } from '../../oci/reference.ts';
import type { BlobInfo } from '../../oci/registry.ts';
import { Stopping } from '../../oci/stopping.ts';
import { AbandonedFills } from './abandoned-fills.ts';
import { BlobFill, type FillSettings, type Place, type Seat } from './blob-fill.ts';

/** Who shares a transfer: a registry, or a single repository of it, where upstream refused the blob in another's name. */
export type FillScope = RegistryHost | RepositoryName;

/**
 * The fills that run, one for each blob of a registry: repositories of one registry share a transfer, registries never do,
 * for one must not vouch for another's bytes. One goes on when its clients leave, as far as there is room for such.
 */
export class BlobFills implements AsyncDisposable {
  readonly #current = new Map<string, BlobFill>();
  /** With those that nobody can join any more and that others took the place of. */
  readonly #running = new Set<BlobFill>();
  readonly #abandoned: AbandonedFills;
  #isStopping = false;

  constructor(clock: Clock, log: Log, maxAbandoned?: number) {
    this.#abandoned = new AbandonedFills(this.#running, clock, log, maxAbandoned);
  }

  get(scope: FillScope, digest: Digest): BlobFill | undefined {
    return this.#current.get(`${scope}/${digest}`);
  }

  get running(): number {
    return this.#running.size;
  }

  /** Transfers that run though no client waits for them. */
  get abandoned(): number {
    return this.#abandoned.count;
  }

  /** Is a fill of this registry running that a client waits for? */
  isBusy(host: RegistryHost): boolean {
    for (const fill of this.#running) if (fill.isWaitedFor && hostOf(fill.repository) === host) return true;
    return false;
  }

  /**
   * Starts one and takes the first place in it. Undefined: one runs that can be joined, so that nothing is fetched twice.
   * Throws UNAVAILABLE (503) once the fills were ended.
   */
  start(
    scope: FillScope,
    place: Place,
    expected: BlobInfo,
    settings: Omit<FillSettings, 'scope' | 'after'>,
  ): Seat | undefined {
    if (this.#isStopping) throw new Stopping();
    const { repository, range } = place;
    const key = `${scope}/${expected.digest}`;
    const before = this.#current.get(key);
    if (before?.canJoin(range) === true) return undefined;
    const after = before?.isCancelled === true ? before.done : undefined;
    const changed = (fill: BlobFill): void => this.#abandoned.judge(fill);
    const fill = new BlobFill(repository, expected, { ...settings, scope, after }, changed);
    this.#current.set(key, fill);
    this.#running.add(fill);
    void fill.done.finally(() => {
      if (this.#current.get(key) === fill) this.#current.delete(key);
      this.#running.delete(fill);
      this.#abandoned.judge(fill);
    });
    const seat = fill.join(place);
    this.#abandoned.judge(fill);
    return seat;
  }

  /** Ends all of them; what came is left for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    const fills = [...this.#running];
    for (const fill of fills) fill.cancel(new Stopping());
    await Promise.all(fills.map(async (fill) => await fill.done));
  }
}
