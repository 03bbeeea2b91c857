import { hash } from 'node:crypto';
import type { Clock } from '#src/base/clock.ts';
import type { Log } from '#src/base/log.ts';
import type { OpenCache } from '#src/cache/open-cache.ts';
import { Evictor } from '#src/retention/evictor.ts';
import { ImagePruner } from '#src/retention/image-pruner.ts';
import { emptyTrash, sweepLeaving } from '#src/retention/leaving-sweep.ts';
import { bytesOf, type Limits } from '#src/retention/limits.ts';
import { Pins } from '#src/retention/pins.ts';
import { Recurring } from '#src/retention/recurring.ts';
import { ReservedRoom } from '#src/retention/reserved-room.ts';
import { changesOf, type Operation } from '#src/storage/operation.ts';
import type { OpenIndex } from './open-index.ts';
import { pathOf } from './simulated-trash.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** What is put is known within this time, on a slow disk too. Milliseconds. */
const graceMs = 8000;
const lookMs = 2000;

/** What is removed in one life of the server, put together as `src/app/retention.ts` does it, and whether that may be. */
export class Removals implements AsyncDisposable {
  readonly room: ReservedRoom;
  readonly #world: World;
  readonly #index: OpenIndex;
  readonly #clock: Clock;
  readonly #pinned: ReadonlySet<string>;
  readonly #limits: Limits;
  readonly #evictor: Evictor;
  readonly #pruner: ImagePruner;
  readonly #log: Log;
  #cache: Pick<OpenCache, 'forget'> | undefined;
  #looks: Recurring | undefined;

  constructor(world: World, index: OpenIndex, clock: Clock, log: Log) {
    const { plan, images } = world;
    this.#world = world;
    this.#index = index;
    this.#clock = clock;
    this.#log = log;
    this.#pinned = new Set(
      plan.pinned.flatMap((place) => {
        const image = images[place];
        return image === undefined ? [] : [`${image.repository.name}:${image.tag}`];
      }),
    );
    this.#limits = { maxSize: plan.maxSize, minFree: 0, registries: new Map() };
    const parts = this.#parts;
    this.#pruner = new ImagePruner(parts);
    const space = async () => ({ size: 1e12, free: 1e12 });
    const { inventory, graph } = index;
    this.room = new ReservedRoom({
      ...{ limits: this.#limits, inventory, graph, space, clock },
      isStuck: (host) => this.#evictor.isStuckFor(host),
      makeRoom: async () => await this.#looks?.now(),
    });
    this.#watchPassing();
    this.#evictor = new Evictor({ ...parts, limits: this.#limits, room: this.room, left() {}, log });
  }

  /** What finds no room passes through. */
  #watchPassing(): void {
    const world = this.#world;
    const reserve = this.room.reserve.bind(this.room);
    this.room.reserve = async (...asked) => {
      const held = await reserve(...asked);
      if (held === undefined) {
        world.hasPassedThrough = true;
        return undefined;
      }
      const grow = held.grow.bind(held);
      held.grow = async (bytes) => {
        const hasGrown = await grow(bytes);
        if (!hasGrown) world.hasPassedThrough = true;
        return hasGrown;
      };
      return held;
    };
  }

  /** Begins to look after the limit, if there is one. */
  begin(cache: Pick<OpenCache, 'forget'>): void {
    this.#cache = cache;
    const { plan } = this.#world;
    if (plan.prunes.length === 0 && plan.maxSize === 0) return;
    const look = async (signal: AbortSignal): Promise<void> => {
      await sweepLeaving(this.#parts, signal);
      await emptyTrash(this.#parts, signal);
      if (plan.maxSize > 0) await this.#evict(signal);
      await this.#checkWhole();
    };
    const parts = { clock: this.#clock, log: this.#log };
    this.#looks = new Recurring('evicting images', { firstMs: 0, pauseMs: lookMs }, look, parts);
  }

  /** What has this name goes. */
  async prune(name: string): Promise<void> {
    this.#world.scheduler.note(`prunes ${name}`);
    for await (const { tags } of this.#pruner.prune(
      { matches: (other) => other === name },
      { dryRun: false },
    ))
      this.#world.scheduler.note(`pruned ${name}, ${tags.length} tags`);
    await this.#checkWhole();
  }

  get #parts() {
    const { graph, metadata, trash } = this.#index;
    return {
      ...{ graph, metadata, discarded: trash, clock: this.#clock, graceMs },
      pins: new Pins([...this.#pinned]),
      changed: (operations: readonly Operation[]) => this.#changed(operations),
    };
  }

  async #evict(signal: AbortSignal): Promise<void> {
    const { maxSize } = this.#limits;
    const { blobBytes } = await this.#index.inventory.totals();
    if (blobBytes > maxSize)
      this.#world.findings.add('the limit holds', `${blobBytes} bytes of blobs are here`);
    const reserved = this.room.bytes;
    await this.#evictor.run(signal);
    const used = bytesOf(await this.#index.inventory.totals());
    if (used + reserved > maxSize && this.room.bytes === reserved && !this.#evictor.isStuck)
      this.#world.findings.add('the limit holds', `${used} bytes are here, and nothing is said of it`);
  }

  /** Nobody is promised any more what has gone. */
  #changed(operations: readonly Operation[]): void {
    this.#cache?.forget(changesOf(operations));
    for (const operation of operations) void this.#forget(operation);
  }

  async #forget(operation: Operation): Promise<void> {
    const { ledger, findings } = this.#world;
    const { metadata, graph } = this.#index;
    if (operation.kind === 'remove tag') {
      const { repository, tag } = operation;
      if ((await metadata.getTag(repository, tag)) !== undefined) return;
      ledger.forget({ repository, kind: 'tag', reference: tag });
      if (this.#pinned.has(`${repository}:${tag}`))
        findings.add('what is pinned stays', `${repository}:${tag} was removed`);
    }
    if (operation.kind === 'drop manifest') {
      const { repository, digest } = operation;
      if ((await metadata.getManifest(repository, digest)) === undefined)
        ledger.forget({ repository, kind: 'manifest', reference: digest });
    }
    if (operation.kind !== 'discard content') return;
    for (const digest of operation.digests) {
      const { repository } = operation;
      if (!(await metadata.hasBlob(repository, digest)))
        ledger.forget({ repository, kind: 'blob', reference: digest });
      if ((await graph.content(digest))?.storedAt === undefined) ledger.forgetDigest(digest);
    }
  }

  /** What the index says to be here is. */
  async #checkWhole(): Promise<void> {
    const { findings } = this.#world;
    const { graph, inventory, metadata } = this.#index;
    for (const { repository, descriptor } of await inventory.images({ limit: 500 })) {
      const lacks = (what: string): void =>
        findings.add('images are whole', short(`${repository}@${descriptor.digest} lacks ${what}`));
      const missing = (await metadata.listMissingBlobs(repository, descriptor.digest, 1000)) ?? [];
      for (const { digest, isManifest } of await graph.named(repository, descriptor.digest, {
        limit: 1000,
      })) {
        if (isManifest || missing.some((each) => each.digest === digest)) continue;
        // What somebody has done to its file is found when it is read.
        if (this.#world.spoilt.has(digest)) continue;
        if (!(await metadata.hasBlob(repository, digest))) lacks(`${digest}, of which nobody says so`);
        else if (!this.#isOnDisk(digest)) lacks(`${digest}, which is said to be here`);
      }
    }
  }

  #isOnDisk(digest: Parameters<typeof pathOf>[0]): boolean {
    const content = this.#world.disk.get(pathOf(digest));
    return (
      content !== undefined && `sha256:${hash('sha256', content.read(0, content.size), 'hex')}` === digest
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#looks?.[Symbol.asyncDispose]();
  }
}
