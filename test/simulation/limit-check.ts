import type { Evictor } from '#src/retention/evictor.ts';
import { bytesOf } from '#src/retention/limits.ts';
import type { ReservedRoom } from '#src/retention/reserved-room.ts';
import type { Inventory } from '#src/storage/inventory.ts';
import type { World } from './world.ts';

interface LimitParts {
  readonly inventory: Pick<Inventory, 'totals'>;
  readonly room: ReservedRoom;
  readonly evictor: Evictor;
}

/** Whether the cache keeps within its limit, or says that it cannot. */
export class LimitCheck {
  readonly #world: World;
  readonly #parts: LimitParts;

  constructor(world: World, parts: LimitParts) {
    this.#world = world;
    this.#parts = parts;
  }

  /** Somebody was given room. */
  letIn(): void {
    const { plan, findings } = this.#world;
    const { bytes } = this.#parts.room;
    if (plan.maxSize > 0 && bytes > plan.maxSize)
      findings.add(
        'the limit holds',
        `${bytes} bytes are let in at a time, of ${plan.maxSize} that may be here`,
      );
  }

  /** Manifests come without room that was kept for them, and what another process lets in meanwhile is not known. */
  async stored(): Promise<void> {
    const { plan, findings } = this.#world;
    if (plan.isShared || plan.bundles.length > 0) return;
    const { blobBytes } = await this.#parts.inventory.totals();
    if (blobBytes > plan.maxSize)
      findings.add('the limit holds', `${blobBytes} bytes of blobs are here, of ${plan.maxSize}`);
  }

  /** `reserved`: before it was looked for what has to go. */
  async looked(reserved: number): Promise<void> {
    const { plan, findings } = this.#world;
    const { inventory, room, evictor } = this.#parts;
    const used = bytesOf(await inventory.totals());
    // Another process may have brought something since.
    const isQuiet = room.bytes === reserved && !plan.isShared;
    if (used + reserved > plan.maxSize && isQuiet && !evictor.isStuck)
      findings.add('the limit holds', `${used} bytes are here, and nothing is said of it`);
  }
}
