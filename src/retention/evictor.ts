import type { Log } from '../base/log.ts';
import { hostOf, type RegistryHost, type RepositoryName } from '../oci/reference.ts';
import type { ImageNode } from '../storage/image-graph.ts';
import { evictionOrder } from './eviction-order.ts';
import { freedBy, freedByAll, isHeld } from './freed-by.ts';
import { FullLimits } from './full-limits.ts';
import { ImageRemoval } from './image-removal.ts';
import { emptyTrash, type SweepParts, sweepLeaving } from './leaving-sweep.ts';
import { bytesOf, type Level, type Limits, type Reason } from './limits.ts';
import type { Pins } from './pins.ts';
import { RemovingHands } from './removing-hands.ts';
import type { ReservedRoom } from './reserved-room.ts';

export interface EvictorParts extends SweepParts {
  readonly pins: Pins;
  readonly limits: Limits;
  readonly room: Pick<ReservedRoom, 'look' | 'serve' | 'underWay' | 'wanted' | 'largest' | 'refuseAbove'>;
  /** Told that files of what went wait in the trash. */
  readonly left: () => void;
  readonly log: Log;
}

/** What is evicted for one limit. */
interface Eviction {
  readonly level: Level;
  /** What is to be left, of what counts for it. Less where what went made no room. Bytes. */
  goal: number;
}

/** Images that upstream has no more and that are kept for the last: so many are remembered at a time. */
const maxGone = 10_000;

/** Evicts images, the least wanted first, while the cache is over a limit with what is on its way and what waits for room. */
export class Evictor {
  /** How many images had to go, and why. */
  readonly evicted: Record<Reason, number> = { maxSize: 0, registry: 0, minFree: 0 };
  readonly #parts: EvictorParts;
  readonly #full: FullLimits;

  constructor(parts: EvictorParts) {
    this.#parts = parts;
    this.#full = new FullLimits(parts);
  }

  /** Is the whole cache full, and nothing left that may go? */
  get isStuck(): boolean {
    return this.#full.isAll;
  }

  /** The registries that are so by their own limits: nothing more of theirs may come. */
  get stuckRegistries(): readonly RegistryHost[] {
    return this.#full.registries;
  }

  /** As {@link FullLimits.isFor}. */
  isStuckFor(registry: RegistryHost | undefined): boolean {
    return this.#full.isFor(registry);
  }

  /** Looks whether it is over, and evicts until it is not or nothing may go any more: nothing may while the index is made anew. Throws the signal's reason, and the store's errors. */
  async run(signal: AbortSignal): Promise<void> {
    this.#full.begin();
    const isOver = (await this.#full.over()).length > 0;
    if (isOver && (await this.#parts.isBeingRestored?.()) !== true) await this.#evictAll(signal);
    await this.#full.judge();
    this.#parts.room.serve();
  }

  async #evictAll(signal: AbortSignal): Promise<void> {
    const { clock, left } = this.#parts;
    // What was left when its image went may be old enough by now, and what has gone already is free when its files have.
    await sweepLeaving(this.#parts, signal);
    if ((await this.#full.over()).some(isOfFiles)) await emptyTrash(this.#parts, signal);
    const begunAt = clock.monotonic();
    await this.#refuseVain();
    // All of them by one look: what goes for one of them is gone for the next as well, and free when its file has left the trash.
    const over = await this.#full.over();
    const evictions = await Promise.all(over.map(async (level) => await this.#evictionFor(level)));
    const exhausted: Level[] = [];
    for (const eviction of evictions)
      if (!(await this.#evict(eviction, signal))) exhausted.push(eviction.level);
    this.#full.exhaust(exhausted, clock.monotonic() - begunAt);
    if (!over.some(isOfFiles)) {
      left();
      return;
    }
    // Nothing comes while files are waited for that make no room for it.
    await this.#full.judge((level) => !isOfFiles(level));
    await emptyTrash(this.#parts, signal);
  }

  /** What would find no room though all went that may is refused before anything goes for it. What is small among all is not worth the count. */
  async #refuseVain(): Promise<void> {
    const { clock, limits, room } = this.#parts;
    const level = (await this.#full.over()).find(({ reason }) => reason === 'maxSize');
    if (level === undefined || room.largest <= level.most - level.low) return;
    const { totals } = await room.look();
    const free = limits.maxSize - bytesOf(totals) - room.underWay.of(undefined);
    const begunAt = clock.monotonic();
    const freed = await freedByAll(this.#candidates(undefined), room.largest - free, this.#parts);
    room.refuseAbove(free + freed);
    if (freed === 0) this.#full.exhaust([level], clock.monotonic() - begunAt);
  }

  async #evictionFor(level: Level): Promise<Eviction> {
    return { level, goal: (await this.#used(level.host)) - (level.taken - level.low) };
  }

  /** False: nothing more may go. What upstream has no more goes when nothing else is left. */
  async #evict(eviction: Eviction, signal: AbortSignal): Promise<boolean> {
    if (await this.#isEnough(eviction)) return true;
    const gone: ImageNode[] = [];
    for await (const node of this.#candidates(eviction.level.host)) {
      signal.throwIfAborted();
      if (isGoneUpstream(node)) {
        if (gone.length < maxGone) gone.push(node);
        continue;
      }
      await this.#remove(node, eviction, signal);
      if (await this.#isEnough(eviction)) return true;
    }
    for (const node of gone) {
      signal.throwIfAborted();
      await this.#remove(node, eviction, signal);
      if (await this.#isEnough(eviction)) return true;
    }
    return false;
  }

  /** Whoever evicts in another process does it for both. Whoever waits has what there is at once. */
  async #isEnough({ level, goal }: Eviction): Promise<boolean> {
    const used = await this.#used(level.host);
    this.#parts.room.serve();
    return used <= goal;
  }

  /** With what is on its way: what has come meanwhile was counted before. */
  async #used(host: RegistryHost | undefined): Promise<number> {
    const { room } = this.#parts;
    const { totals } = await room.look();
    const stored = host === undefined ? totals : totals.registries.get(host);
    return bytesOf(stored) + room.wanted.of(host);
  }

  async *#candidates(host: RegistryHost | undefined): AsyncGenerator<ImageNode> {
    const { graph, clock } = this.#parts;
    const isMeant = (repository: RepositoryName): boolean =>
      host === undefined || hostOf(repository) === host;
    for await (const node of evictionOrder(graph, clock, isMeant)) if (this.#mayGo(node)) yield node;
  }

  /** What came a moment ago frees nothing yet. */
  #mayGo(node: ImageNode): boolean {
    const { clock, graceMs, pins } = this.#parts;
    return node.createdAt < clock.now() - graceMs && !pins.has(node);
  }

  /** Unless nothing would be won by it, or it is wanted by now. */
  async #remove(candidate: ImageNode, eviction: Eviction, signal: AbortSignal): Promise<void> {
    const freed = isOfFiles(eviction.level) ? await freedBy(candidate, this.#parts) : undefined;
    if (freed === 0 || (await isHeld(candidate, this.#parts))) return;
    // Somebody may have pinned it since it was seen.
    const node = await this.#parts.graph.node(candidate.repository, candidate.digest);
    const isGone = isGoneUpstream(candidate);
    if (node === undefined || !this.#mayGo(node) || isGoneUpstream(node) !== isGone) return;
    const { repository, digest, tags } = node;
    const names = tags.map(({ tag }) => tag);
    const removal = new ImageRemoval(this.#parts.graph, new RemovingHands(this.#parts));
    const removed = await removal.remove(repository, digest, names, signal);
    if (removed?.isGone !== true) return;
    // What has another name elsewhere is no room.
    if (freed !== undefined) eviction.goal -= Math.max(0, removed.freed - freed);
    const { reason } = eviction.level;
    this.evicted[reason] += 1;
    this.#tell({ repository, digest, tags: names, freed: removed.freed, reason }, isGone);
  }

  #tell(fields: Readonly<Record<string, unknown>>, isGone: boolean): void {
    const { log } = this.#parts;
    if (!isGone) log.info(fields, 'an image was evicted');
    else
      log.warn(
        fields,
        'an image was evicted that its registry does not have any more: nothing else was left',
      );
  }
}

/** Is it about what files take, which is known when they are gone? */
function isOfFiles({ reason }: Level): boolean {
  return reason === 'minFree';
}

function isGoneUpstream({ tags }: ImageNode): boolean {
  return tags.some(({ goneAt }) => goneAt !== undefined);
}
