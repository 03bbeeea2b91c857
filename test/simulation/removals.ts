import type { Clock } from '#src/base/clock.ts';
import type { Log } from '#src/base/log.ts';
import { Recurring } from '#src/base/recurring.ts';
import type { OpenCache } from '#src/cache/open-cache.ts';
import { isHosted } from '#src/oci/reference.ts';
import { Evictor } from '#src/retention/evictor.ts';
import { ImagePruner } from '#src/retention/image-pruner.ts';
import { tidyUp } from '#src/retention/leaving-sweep.ts';
import type { Limits } from '#src/retention/limits.ts';
import { Pins } from '#src/retention/pins.ts';
import { ReservedRoom } from '#src/retention/reserved-room.ts';
import type { ImageNode } from '#src/storage/image-graph.ts';
import { changesOf, type Operation } from '#src/storage/operation.ts';
import { otherThanGone } from './gone-check.ts';
import { epoch } from './life.ts';
import { LimitCheck } from './limit-check.ts';
import type { OpenIndex } from './open-index.ts';
import { short } from './trace.ts';
import { checkWhole } from './whole-images.ts';
import type { World } from './world.ts';

/** What is put is known within this time, on a slow disk too. Milliseconds. */
const graceMs = 8000;
const lookMs = 2000;

/** What is removed in one life of the server, put together as `src/app/retention.ts` does it, and whether that may be. */
export class Removals implements AsyncDisposable {
  readonly room: ReservedRoom;
  readonly #world: World;
  readonly #server: string;
  readonly #index: OpenIndex;
  readonly #clock: Clock;
  readonly #pinned: ReadonlySet<string>;
  readonly #limits: Limits;
  readonly #evictor: Evictor;
  readonly #pruner: ImagePruner;
  readonly #check: LimitCheck;
  readonly #log: Log;
  /** When the evictor began to look for what has to go; fake milliseconds. */
  #looksSince = 0;
  #cache: Pick<OpenCache, 'forget'> | undefined;
  #looks: Recurring | undefined;

  /** `server`: who removes, where there are several. */
  constructor(world: World, server: string, index: OpenIndex, clock: Clock, log: Log) {
    const { plan, images } = world;
    this.#world = world;
    this.#server = server;
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
      // Of some registries nobody has configured them.
      believes: (host) => host.length % 2 === 0,
      isStuck: (host) => this.#evictor.isStuckFor(host),
      makeRoom: async () => await this.#looks?.now(),
    });
    this.#watchPassing();
    this.#evictor = new Evictor({
      ...parts,
      changed: (operations: readonly Operation[]) => this.#evicted(operations),
      ...{ limits: this.#limits, room: this.room, left() {}, log },
    });
    this.#check = new LimitCheck(world, { inventory, room: this.room, evictor: this.#evictor });
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
      this.#check.letIn();
      const grow = held.grow.bind(held);
      held.grow = async (...wish) => {
        const hasGrown = await grow(...wish);
        this.#check.letIn();
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
    if (plan.prunes.length === 0 && plan.maxSize === 0 && plan.pushers.length === 0) return;
    const look = async (signal: AbortSignal): Promise<void> => {
      await tidyUp(this.#parts, signal);
      if (plan.maxSize > 0) await this.#evict(signal);
      await this.checkWhole();
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
    await this.checkWhole();
  }

  /** Is what the index says to be here? */
  async checkWhole(): Promise<void> {
    await checkWhole(this.#world, this.#index);
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
    await this.#check.stored();
    const reserved = this.room.bytes;
    this.#looksSince = this.#world.time;
    await this.#evictor.run(signal);
    await this.#check.looked(reserved);
  }

  /** Of a life that ends meanwhile nothing more is heard. */
  #evicted(operations: readonly Operation[]): void {
    this.#changed(operations);
    for (const operation of operations)
      if (operation.kind === 'remove tag') this.#checkGone(operation).catch(() => undefined);
  }

  /** What upstream has no more goes when nothing else may go that was here when it was looked for. */
  async #checkGone({ repository, tag, digest }: Extract<Operation, { kind: 'remove tag' }>): Promise<void> {
    const { goneTags, findings, model } = this.#world;
    if (!goneTags.has(repository, tag, this.#looksSince)) return;
    const before = epoch + this.#looksSince - graceMs - 1000;
    const { graph, clock, pins } = this.#parts;
    // What it led to goes next.
    const led = model.repositories.get(repository)?.manifests.get(digest)?.children ?? [];
    const isMeant = (node: ImageNode): boolean =>
      node.repository !== repository || !led.includes(node.digest);
    const other = await otherThanGone({ graph, clock, pins, before, isMeant });
    if (other === undefined) return;
    const instead = `${other.repository}@${other.digest}, which was here`;
    findings.add(
      'what is gone upstream goes last',
      short(`${repository}:${tag} was evicted before ${instead}`),
    );
  }

  /** Nobody is promised any more what has gone. */
  #changed(operations: readonly Operation[]): void {
    this.#cache?.forget(changesOf(operations));
    for (const operation of operations) {
      this.#checkHosted(operation);
      void this.#forget(operation);
    }
  }

  /** No policy takes away what lives here. */
  #checkHosted(operation: Operation): void {
    if (operation.kind !== 'remove tag' && operation.kind !== 'drop manifest') return;
    const { kind, repository, digest } = operation;
    if (isHosted(repository))
      this.#world.findings.add('what is needed is not taken away', short(`${kind} ${repository}@${digest}`));
  }

  async #forget(operation: Operation): Promise<void> {
    const { ledger, findings } = this.#world;
    const { metadata, graph } = this.#index;
    if (operation.kind === 'remove tag') {
      const { repository, tag } = operation;
      if ((await metadata.getTag(repository, tag)) !== undefined) return;
      ledger.forget({ repository, kind: 'tag', reference: tag }, this.#server);
      if (this.#pinned.has(`${repository}:${tag}`))
        findings.add('what is pinned stays', `${repository}:${tag} was removed`);
    }
    if (operation.kind === 'drop manifest') {
      const { repository, digest } = operation;
      if ((await metadata.getManifest(repository, digest)) === undefined)
        ledger.forget({ repository, kind: 'manifest', reference: digest }, this.#server);
    }
    if (operation.kind !== 'discard content') return;
    for (const digest of operation.digests) {
      const { repository } = operation;
      if (!(await metadata.hasBlob(repository, digest)))
        ledger.forget({ repository, kind: 'blob', reference: digest }, this.#server);
      if ((await graph.content(digest))?.storedAt === undefined) ledger.forgetDigest(digest, this.#server);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#looks?.[Symbol.asyncDispose]();
  }
}
