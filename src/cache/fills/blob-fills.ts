import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { type Digest, hostOf, type RegistryHost, type RepositoryName } from '../../oci/reference.ts';
import type { BlobInfo } from '../../oci/registry.ts';
import { Stopping } from '../../oci/stopping.ts';
import { AbandonedFills } from './abandoned-fills.ts';
import { BlobFill, type FillSettings } from './blob-fill.ts';
import { DoubtedParts } from './doubted-parts.ts';
import type { Fill, Place, Seat } from './fill.ts';
import { SmallFill, type SmallFillSettings } from './small-fill.ts';

/** What the fills of one registry have in common. */
export type FillsSettings = Omit<FillSettings, 'scope' | 'after' | 'doubt'> & SmallFillSettings;

/** Whose transfer a reader shares, besides one in its own name: anybody's, or that of who is known to own the blob, or nobody's. */
export type Trust = 'all' | 'owners' | 'own';

/** A place in whichever transfer there is. */
export interface SharedPlace extends Place {
  /** Has upstream shown that the repository owns the blob? */
  readonly isOwner: boolean;
  readonly trust: Trust;
  /** Whose transfers these are, which nobody else shares: upstream is asked by his credential. Absent: everybody's. */
  readonly caller?: string | undefined;
}

/** A transfer that runs, as it is told to people. Bytes. */
export interface FillState {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly received: number;
  /** Undefined: nobody says. */
  readonly expected: number | undefined;
  readonly isWaitedFor: boolean;
  /** Does it wait for its turn at upstream? */
  readonly isQueued: boolean;
}

/**
 * The fills that run, one for each blob of a registry: repositories of one registry share a transfer, registries never do,
 * for one must not vouch for another's bytes. One goes on when its clients leave, as far as there is room for such.
 */
export class BlobFills implements AsyncDisposable {
  readonly #current = new Map<string, Fill>();
  /** With those that nobody can join any more and that others took the place of. */
  readonly #running = new Set<Fill>();
  /** Those in the name of a repository for which upstream has shown that it owns the blob. */
  readonly #ofOwners = new WeakSet<Fill>();
  readonly #abandoned: AbandonedFills;
  readonly #doubts: DoubtedParts;
  #isStopping = false;

  constructor(clock: Clock, log: Log, maxAbandoned?: number) {
    this.#doubts = new DoubtedParts(clock, log);
    this.#abandoned = new AbandonedFills(this.#running, clock, log, maxAbandoned);
  }

  /** `caller`: as in {@link SharedPlace}. */
  get(host: RegistryHost, digest: Digest, caller?: string): Fill | undefined {
    return this.#current.get(keyOf(host, digest, caller));
  }

  /** Takes a place in the one that runs, at once. Undefined: there is none, or it cannot be joined any more, or is not shared. */
  join(place: SharedPlace, digest: Digest): Seat | undefined {
    const fill = this.get(hostOf(place.repository), digest, place.caller);
    return fill !== undefined && this.#isShared(fill, place) ? fill.join(place) : undefined;
  }

  /** Those that run, with how far each is. */
  *states(): Generator<FillState> {
    for (const { repository, digest, progress, isWaitedFor, isQueued } of this.#running)
      yield { repository, digest, ...progress, isWaitedFor, isQueued };
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
   * Starts one and takes the first place in it. `isSmall`: it may be received whole. Undefined: one runs that can be joined, so that
   * nothing is fetched twice. Throws UNAVAILABLE (503) once the fills were ended.
   */
  start(place: SharedPlace, expected: BlobInfo, settings: FillsSettings, isSmall = false): Seat | undefined {
    if (this.#isStopping) throw new Stopping();
    const key = keyOf(hostOf(place.repository), expected.digest, place.caller);
    const before = this.#current.get(key);
    if (before?.canJoin(place.range) === true && this.#isShared(before, place)) return undefined;
    const fill = this.#begun(place, expected, settings, isSmall, before);
    this.#current.set(key, fill);
    this.#running.add(fill);
    if (place.isOwner) this.#ofOwners.add(fill);
    else fill.head.then(() => this.#ofOwners.add(fill), ignored);
    void fill.done.finally(() => {
      if (this.#current.get(key) === fill) this.#current.delete(key);
      this.#running.delete(fill);
      this.#abandoned.judge(fill);
    });
    const seat = fill.join(place);
    this.#abandoned.judge(fill);
    return seat;
  }

  #isShared(fill: Fill, { repository, trust }: SharedPlace): boolean {
    return (
      trust === 'all' || fill.repository === repository || (trust === 'owners' && this.#ofOwners.has(fill))
    );
  }

  #begun(
    { repository }: Place,
    expected: BlobInfo,
    settings: FillsSettings,
    isSmall: boolean,
    before: Fill | undefined,
  ): Fill {
    const changed = (fill: Fill): void => this.#abandoned.judge(fill);
    if (isSmall) return new SmallFill(repository, expected, settings, changed);
    const scope = hostOf(repository);
    const after = before?.isCancelled === true ? before.done : undefined;
    const doubt = this.#doubts.of(scope, expected.digest);
    return new BlobFill(repository, expected, { ...settings, scope, after, doubt }, changed);
  }

  /** Ends all of them; what came is left for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    const fills = [...this.#running];
    for (const fill of fills) fill.cancel(new Stopping());
    await Promise.all(fills.map(async (fill) => await fill.done));
  }
}

/** No caller has a blank in it. */
function keyOf(host: RegistryHost, digest: Digest, caller: string | undefined): string {
  return caller === undefined ? `${host}/${digest}` : `${caller} ${host}/${digest}`;
}

/** Whoever waits for it is told. */
function ignored(): void {}
