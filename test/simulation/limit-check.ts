import type { Evictor } from '#src/retention/evictor.ts';
import { bytesOf } from '#src/retention/limits.ts';
import type { ReservedRoom } from '#src/retention/reserved-room.ts';
import type { Inventory } from '#src/storage/inventory.ts';
import type { World } from './world.ts';

/** Is what runs itself bounded by the limit? Not before whoever admits it looks at what was admitted: then to be turned on. */
const expects = { boundedRuns: false };
/** Manifests come without room that was kept for them. Bytes. */
const manifestBytes = 20_000;

interface LimitParts {
  readonly inventory: Pick<Inventory, 'totals'>;
  readonly room: ReservedRoom;
  readonly evictor: Evictor;
}

/** Whether the cache keeps within its limit but for what runs, or says that it cannot. */
export class LimitCheck {
  readonly #world: World;
  readonly #parts: LimitParts;
  /** What ended behind the last look for what has to go, and behind the one before. Bytes. */
  #ended: [number, number] = [0, 0];

  constructor(world: World, parts: LimitParts) {
    this.#world = world;
    this.#parts = parts;
    world.rooms.add(parts.room);
  }

  /** Room is kept for what comes. `come`: how much has. Tells when it has ended. */
  admitted(held: Disposable, bytes: number, come: () => number): Disposable {
    const { plan, findings } = this.#world;
    const running = this.#running;
    if (expects.boundedRuns && running > plan.maxSize)
      findings.add(
        'the limit holds',
        `${running} bytes are let in at a time, of ${plan.maxSize} that may be here`,
      );
    const stack = new DisposableStack();
    stack.use(held);
    stack.defer(() => {
      this.#ended[0] += Math.max(bytes, come());
      // Of a life that ends meanwhile nothing more is heard.
      this.#checkSize().catch(() => undefined);
    });
    return stack;
  }

  /** `reserved`: before it was looked for what has to go. */
  async looked(reserved: number): Promise<void> {
    const { plan, findings } = this.#world;
    const { inventory, room, evictor } = this.#parts;
    this.#ended = [0, this.#ended[0]];
    const used = bytesOf(await inventory.totals());
    // Another process may have brought something since.
    const isQuiet = room.bytes === reserved && !plan.isShared;
    if (used + reserved > plan.maxSize && isQuiet && !evictor.isStuck)
      findings.add('the limit holds', `${used} bytes are here, and nothing is said of it`);
  }

  async #checkSize(): Promise<void> {
    const { plan, findings } = this.#world;
    // Imports wait for no room.
    if (plan.isShared || plan.bundles.length > 0) return;
    const used = bytesOf(await this.#parts.inventory.totals());
    const most = plan.maxSize + this.#running + this.#ended[0] + this.#ended[1] + manifestBytes;
    if (used > most && !this.#parts.evictor.isStuck)
      findings.add(
        'the limit holds',
        `${used} bytes are here, of ${plan.maxSize}, and what runs is ${this.#running}`,
      );
  }

  /** Of all processes. */
  get #running(): number {
    return this.#world.rooms.values().reduce((sum, { bytes }) => sum + bytes, 0);
  }
}
