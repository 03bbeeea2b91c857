import type { Log } from '../base/log.ts';
import { hostOf, type RegistryHost, type RepositoryName } from '../oci/reference.ts';
import type { ImageNode } from '../storage/image-graph.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { AllTotals } from '../storage/records.ts';
import { evictionOrder } from './eviction-order.ts';
import { ImageRemoval } from './image-removal.ts';
import { emptyTrash, type SweepParts, sweepLeaving } from './leaving-sweep.ts';
import {
  bytesOf,
  type Excess,
  excesses,
  type FileSystemSpace,
  type Limits,
  type Reason,
  type Reserved,
} from './limits.ts';
import type { Pins } from './pins.ts';
import { RemovingHands } from './removing-hands.ts';

export interface EvictorParts extends SweepParts {
  readonly pins: Pins;
  readonly inventory: Pick<Inventory, 'totals'>;
  readonly limits: Limits;
  /** Of the file system that the cache lies on. */
  readonly space: () => Promise<FileSystemSpace>;
  /** As far as anybody knows. */
  readonly reserved: Reserved;
  readonly log: Log;
}

/** Images that upstream has no more and that are kept for the last: so many are remembered at a time. */
const maxGone = 10_000;

/** Looking through what may not go is not done all the time: a pause is so many times as long, up to a minute. */
const timesRest = 50;
const mostRestMs = 60_000;

/** Evicts images, the least wanted first, while the cache is over a limit. */
export class Evictor {
  /** How many images had to go, and why. */
  readonly evicted: Record<Reason, number> = { maxSize: 0, registry: 0, minFree: 0 };
  readonly #parts: EvictorParts;
  #stuck: readonly Excess[] = [];
  /** By {@link Clock.monotonic}. */
  #restsUntil = 0;

  constructor(parts: EvictorParts) {
    this.#parts = parts;
  }

  /** Was the whole cache still over a limit when nothing was left that may go? */
  get isStuck(): boolean {
    return this.#stuck.some(({ host }) => host === undefined);
  }

  /** The registries that were so by their own limits: nothing more of theirs may come. */
  get stuckRegistries(): readonly RegistryHost[] {
    return this.#stuck.flatMap(({ host }) => host ?? []);
  }

  /** Is nothing more of this registry to come? What another is over its limit by is not its matter. */
  isStuckFor(registry: RegistryHost): boolean {
    return this.#stuck.some(({ host }) => host === undefined || host === registry);
  }

  /** Looks whether it is, and evicts until it is not or nothing may go any more. Throws the signal's reason, and the store's errors. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const { over } = await this.#look();
    const rests = clock.monotonic() < this.#restsUntil;
    const due = rests ? over.filter((excess) => !this.#isKnown(excess)) : over;
    if (over.length > 0 && due.length === 0) {
      this.#stuck = over;
      return;
    }
    const tookMs = due.length > 0 ? await this.#evictAll(signal) : 0;
    const { over: left } = await this.#look();
    this.#judge(left);
    if (left.length > 0) this.#restsUntil = clock.monotonic() + Math.min(timesRest * tookMs, mostRestMs);
  }

  /** How long it took to find what may go; milliseconds. */
  async #evictAll(signal: AbortSignal): Promise<number> {
    const { clock } = this.#parts;
    // What was left when its image went may be old enough by now, and what has gone already is free when its files have.
    await sweepLeaving(this.#parts, signal);
    await emptyTrash(this.#parts, signal);
    const begunAt = clock.monotonic();
    // All of them by one look: what goes for one of them is gone for the next as well, and free when its file has left the trash.
    const { over, totals } = await this.#look();
    for (const excess of over) await this.#evict(excess, usedOf(totals, excess.host) - excess.bytes, signal);
    const tookMs = clock.monotonic() - begunAt;
    const { over: left } = await this.#look();
    // Nothing comes while files are waited for that make no room for it.
    if (left.some(({ reason }) => reason !== 'minFree')) this.#judge(left);
    await emptyTrash(this.#parts, signal);
    return tookMs;
  }

  #judge(left: readonly Excess[]): void {
    this.#tell(left);
    this.#stuck = left;
  }

  #isKnown({ reason, host }: Excess): boolean {
    return this.#stuck.some((known) => known.reason === reason && known.host === host);
  }

  #tell(left: readonly Excess[]): void {
    const { log } = this.#parts;
    if (left.some((excess) => !this.#isKnown(excess)))
      log.error(
        { left },
        'the cache is over a limit and nothing more may go: blobs pass through, nothing is stored',
      );
    if (left.length === 0 && this.#stuck.length > 0) log.warn({}, 'there is room again: blobs are stored');
  }

  async #look(): Promise<{ readonly over: readonly Excess[]; readonly totals: AllTotals }> {
    const { inventory, limits, reserved, space } = this.#parts;
    const totals = await inventory.totals();
    return { over: excesses(limits, totals, await space(), reserved), totals };
  }

  /** Down to so many bytes. What upstream has no more goes when nothing else is left. */
  async #evict(excess: Excess, goal: number, signal: AbortSignal): Promise<void> {
    if ((await this.#used(excess.host)) <= goal) return;
    const gone: ImageNode[] = [];
    for await (const node of this.#candidates(excess.host)) {
      signal.throwIfAborted();
      if (isGoneUpstream(node)) {
        if (gone.length < maxGone) gone.push(node);
        continue;
      }
      await this.#remove(node, excess.reason, signal);
      if ((await this.#used(excess.host)) <= goal) return;
    }
    for (const node of gone) {
      signal.throwIfAborted();
      await this.#removeGone(node, excess.reason, signal);
      if ((await this.#used(excess.host)) <= goal) return;
    }
  }

  async #used(host: RegistryHost | undefined): Promise<number> {
    return usedOf(await this.#parts.inventory.totals(), host);
  }

  /** What came a moment ago frees nothing yet. */
  async *#candidates(host: RegistryHost | undefined): AsyncGenerator<ImageNode> {
    const { graph, clock, graceMs, pins } = this.#parts;
    const isMeant = (repository: RepositoryName): boolean =>
      host === undefined || hostOf(repository) === host;
    for await (const node of evictionOrder(graph, clock, isMeant)) {
      if (node.createdAt < clock.now() - graceMs && !pins.has(node)) yield node;
    }
  }

  async #remove(node: ImageNode, reason: Reason, signal: AbortSignal): Promise<void> {
    this.#parts.log.info(await this.#removed(node, reason, signal), 'an image was evicted');
  }

  async #removeGone(node: ImageNode, reason: Reason, signal: AbortSignal): Promise<void> {
    this.#parts.log.warn(
      await this.#removed(node, reason, signal),
      'an image was evicted that its registry does not have any more: nothing else was left',
    );
  }

  async #removed(
    { repository, digest, tags }: ImageNode,
    reason: Reason,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    const removal = new ImageRemoval(this.#parts.graph, new RemovingHands(this.#parts));
    const names = tags.map(({ tag }) => tag);
    const { freed } = await removal.remove(repository, digest, names, signal);
    this.evicted[reason] += 1;
    return { repository, digest, tags: names, freed, reason };
  }
}

function usedOf(totals: AllTotals, host: RegistryHost | undefined): number {
  return bytesOf(host === undefined ? totals : totals.registries.get(host));
}

function isGoneUpstream({ tags }: ImageNode): boolean {
  return tags.some(({ goneAt }) => goneAt !== undefined);
}
