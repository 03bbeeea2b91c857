import type { RegistryHost } from '#src/oci/reference.ts';
import { Evictor } from '#src/retention/evictor.ts';
import type { Limits } from '#src/retention/limits.ts';
import { ReservedRoom } from '#src/retention/reserved-room.ts';
import { repository } from './cache-under-test.ts';
import { CachedImages } from './cached-images.ts';
import { LogLines } from './log-lines.ts';

export const app = repository('ghcr.io/org/app');
export const tool = repository('quay.io/acme/tool');
export const kilobyte = 'x'.repeat(1000);
export const host = (name: string): RegistryHost => name as RegistryHost;

export interface Around {
  /** Default: one of its own, with images. */
  readonly cache?: CachedImages;
  readonly pinned?: string[];
  readonly count?: number;
  readonly free?: number;
  /** Told when the trash is looked at. */
  readonly emptying?: (evictor: Evictor) => void;
  /** Has a blob's file another name, beside the cache? By its text. */
  readonly isLinked?: (text: string) => boolean;
  readonly isBeingRestored?: () => Promise<boolean>;
  /** Whose word on sizes counts. Default: everybody's. */
  readonly believes?: (host: RegistryHost) => boolean;
}

/** Images of a kilobyte and a little, an hour from one to the next, and what keeps them within limits. */
export async function limitedImages(
  limits: Partial<Limits>,
  {
    pinned = [],
    cache = new CachedImages(pinned),
    count = 10,
    free = 1_000_000,
    emptying = () => {},
    isLinked = () => false,
    isBeingRestored,
    believes = () => true,
  }: Around = {},
) {
  for (let at = 0; at < count; at += 1) {
    await cache.image(at % 2 === 0 ? app : tool, `image ${at}`, [`${kilobyte}${at}`], [`v${at}`]);
    cache.passes(3_600_000);
  }
  const log = new LogLines();
  const all: Limits = { maxSize: 0, minFree: 0, registries: new Map(), ...limits };
  const { inventory, graph } = cache.store;
  const used = async () => {
    const { blobBytes, manifestBytes } = await inventory.totals();
    return blobBytes + manifestBytes;
  };
  const before = await used();
  let linked = 0;
  const space = async () => ({ size: 10_000_000, free: free + before - linked - (await used()) });
  const run = async () => await evictor.run(new AbortController().signal);
  let running = Promise.resolve();
  const room = new ReservedRoom({
    ...{ limits: all, inventory, graph, space, clock: cache.clock },
    believes,
    isStuck: (of) => evictor.isStuckFor(of),
    makeRoom: async () => {
      running = running.then(run);
      await running;
    },
  });
  let lefts = 0;
  const evictor: Evictor = new Evictor({
    ...cache.parts,
    ...{ limits: all, room, log, isBeingRestored },
    left: () => (lefts += 1),
    discarded: {
      list: async () => {
        linked = cache.taken.filter(isLinked).reduce((sum, { length }) => sum + length, 0);
        emptying(evictor);
        return [];
      },
      remove: async () => true,
      frees: async (digest) => (isLinked(cache.text(digest)) ? 0 : cache.text(digest).length),
    },
  });
  return { cache, evictor, room, log, used, run, lefts: () => lefts };
}
