import { statfs } from 'node:fs/promises';
import type { Log } from '../base/log.ts';
import { Recurring } from '../base/recurring.ts';
import type { Config } from '../config/schema.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost, type RegistryHost } from '../oci/reference.ts';
import { Evictor } from '../retention/evictor.ts';
import type { PrunerParts } from '../retention/image-pruner.ts';
import { emptyTrash, type SweepParts } from '../retention/leaving-sweep.ts';
import { LimitedStore } from '../retention/limited-store.ts';
import { type FileSystemSpace, isLimited, type Limits } from '../retention/limits.ts';
import { ReservedRoom } from '../retention/reserved-room.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { Store } from './store.ts';

/** Whether there is room is looked at so often, besides whenever somebody finds none; milliseconds. */
const lookMs = 10_000;
/** Files of more than one image leave the trash together. Milliseconds. */
const soonMs = 500;
const emptyingMs = 10 * 60_000;
/** Shorter than for whoever prunes: where clients wait for room, what they bring has to give way again. Milliseconds. */
const graceMs = 60_000;

interface KeptLimitsParts extends PrunerParts, SweepParts {
  readonly inventory: Inventory;
  readonly log: Log;
}

/** What keeps the cache within its limits. */
export interface KeptLimits {
  readonly room: ReservedRoom;
  /** Undefined: there are none. */
  readonly evictor: Evictor | undefined;
  /** Of the file system. */
  readonly space: () => Promise<FileSystemSpace>;
  /** Begins to evict what has to give way; ends with the stack. */
  keep(stack: AsyncDisposableStack): void;
}

export function keptLimits(config: Config, parts: KeptLimitsParts): KeptLimits {
  const { inventory, graph, clock, log } = parts;
  const limits = limitsOf(config);
  const space = async () => await spaceOf(config.imagePath);
  let looks: Recurring | undefined;
  let emptying: Recurring | undefined;
  const believed = vouchedFor(config);
  const room = new ReservedRoom({
    ...{ limits, inventory, graph, space, clock },
    believes: (host) => believed.has(host),
    isStuck: (host) => evictor?.isStuckFor(host) === true,
    makeRoom: async () => await looks?.now(),
  });
  const left = (): void => emptying?.soon(soonMs);
  const evictor = isLimited(limits) ? new Evictor({ ...parts, graceMs, limits, room, left, log }) : undefined;
  const keep = (stack: AsyncDisposableStack): void => {
    if (evictor === undefined) return;
    const empty = async (signal: AbortSignal): Promise<void> => await emptyTrash(parts, signal);
    const evict = async (signal: AbortSignal): Promise<void> => await evictor.run(signal);
    const whenEmptied = { firstMs: 0, pauseMs: emptyingMs };
    emptying = stack.use(new Recurring('emptying the trash', whenEmptied, empty, { clock, log }));
    looks = stack.use(
      new Recurring('evicting images', { firstMs: 0, pauseMs: lookMs }, evict, { clock, log }),
    );
  };
  return { room, evictor, space, keep };
}

/** The store for who puts into it what no fill brings: within the limits, if there are any. */
export function limitedStore(
  { content, spools }: Pick<Store, 'content' | 'spools'>,
  limits: Pick<KeptLimits, 'evictor' | 'room'> | undefined,
): Pick<Store, 'content' | 'spools'> {
  if (limits?.evictor === undefined) return { content, spools };
  const limited = new LimitedStore({ content, spools }, limits.room);
  return { content: limited, spools: limited };
}

/** Any client may have any other registry asked, his own too. */
function vouchedFor({ defaultNs, registries }: Config): ReadonlySet<RegistryHost> {
  const names = [...registries.map(({ name }) => name), ...(defaultNs === '' ? [] : [defaultNs])];
  return new Set(names.map((name) => canonicalHost(parseRegistryHost(name))));
}

function limitsOf({ cache, registries }: Config): Limits {
  const own = registries.flatMap(({ name, cache: its }) =>
    its.maxSize === undefined || its.maxSize === 0
      ? []
      : [[canonicalHost(parseRegistryHost(name)), its.maxSize] as const],
  );
  return { maxSize: cache.maxSize, minFree: cache.minFree, registries: new Map(own) };
}

async function spaceOf(path: string): Promise<FileSystemSpace> {
  const { bsize, blocks, bavail } = await statfs(path);
  return { size: bsize * blocks, free: bsize * bavail };
}
