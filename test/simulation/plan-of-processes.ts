import type { BundlePlan, CrashPlan, Plan } from './plan.ts';
import type { Random } from './random.ts';

/** A server takes no longer to end and to start again. Milliseconds. */
const restartMs = 2000;

/** The same with two servers on one directory, whose tags move and go under each other's hands. */
export function shared(plan: Plan, random: Random): Plan {
  const { durationMs, images } = plan;
  const some = (least: number, most: number) =>
    Array.from({ length: random.between(least, most) }, () => ({
      ...{ at: random.between(0, durationMs), image: random.between(0, images.length - 1) },
    }));
  const crashes = plan.crashes.map((crash) => ({ ...crash, isOfSecond: random.chance(0.5) }));
  return {
    ...plan,
    isShared: true,
    index: 'sqlite',
    freshness: random.pick([plan.freshness, 'immutable', 3000, 5000]),
    moves: [...plan.moves, ...some(0, 3)],
    prunes: [...plan.prunes, ...(random.chance(0.5) ? some(1, 4) : [])],
    crashes: apart(crashes),
  };
}

/** One at a time. */
function apart(crashes: readonly CrashPlan[]): CrashPlan[] {
  const inOrder = crashes.toSorted((one, other) => one.at - other.at);
  return inOrder.filter(({ at }, place) => at - (inOrder[place - 1]?.at ?? -restartMs) >= restartMs);
}

/** The same with bundles that are made of what is cached, and imported again. */
export function carried(plan: Plan, random: Random): Plan {
  const bundles = Array.from({ length: random.between(2, 7) }, () => bundleOf(plan, random));
  const made = random.chance(0.3) ? cutOff({ ...plan, bundles }, random) : { ...plan, bundles };
  return { ...made, bundles: made.bundles.toSorted((one, other) => one.at - other.at) };
}

/** What is left of an image that was pruned goes so much later. Milliseconds. */
const leavingMs = 12_000;
/** It lasts long, and nobody is to ask for much all the time. Milliseconds, and bytes. */
const slowMs = 1000;
const maxLayer = 300_000;

/** The same behind a gap of air: upstream is gone for good, and so is all that was cached; an import brings again what was exported before. */
function cutOff(plan: Plan, random: Random): Plan {
  const durationMs = Math.max(plan.durationMs, 4 * leavingMs);
  const cutAt = random.between(durationMs >> 2, durationMs >> 1);
  const whole = { image: undefined, isCutAt: undefined, killedAfter: undefined };
  const [before, after] = [
    random.between(cutAt >> 1, cutAt - 500),
    random.between(cutAt + leavingMs, durationMs),
  ];
  const gone = plan.hosts.flatMap(({ host }) =>
    [false, true].map((atMirror) => ({
      ...{ kind: 'refused' as const, host, atMirror, on: 'all' as const },
      ...{ from: cutAt - 100, until: durationMs, chance: 1 },
    })),
  );
  return {
    ...plan,
    ...{ durationMs, pinned: [], faults: [...plan.faults, ...gone] },
    clients: plan.clients.map((client) => ({ ...client, restMs: Math.max(client.restMs, slowMs) })),
    layerSizes: plan.layerSizes.map((size) => Math.min(size, maxLayer)),
    bundles: [
      ...plan.bundles,
      { ...whole, kind: 'export', at: before, isWithEarlier: random.chance(0.5) },
      { ...whole, kind: 'import', at: after, isWithEarlier: true },
    ],
    prunes: [...plan.prunes, ...plan.images.map((_, image) => ({ at: cutAt, image }))],
  };
}

function bundleOf({ durationMs, images }: Plan, random: Random): BundlePlan {
  const kind = random.pick(['export', 'import'] as const);
  return {
    kind,
    at: random.between(durationMs >> 4, durationMs),
    image: random.chance(0.5) ? random.between(0, images.length - 1) : undefined,
    isWithEarlier: random.chance(kind === 'export' ? 0.5 : 0.7),
    isCutAt: kind === 'import' && random.chance(0.3) ? random.between(0, 99) / 100 : undefined,
    killedAfter: random.chance(0.25) ? random.between(1, 2000) : undefined,
  };
}

/** What is put may be evicted when it is older than eight seconds: so long a scenario has to be for much of it. Milliseconds. */
const evictingMs = 60_000;

/** Tags of some images are deleted upstream, and that is asked for, while others come for which something has to go. */
export function deleting(plan: Plan, random: Random): Plan {
  const { images } = plan;
  const durationMs = Math.max(plan.durationMs, evictingMs);
  const some = (count: number, until: number) =>
    Array.from({ length: count }, () => ({
      ...{ at: random.between(0, until), image: random.between(0, images.length - 1) },
    }));
  const layerSizes = plan.layerSizes.map((size) => Math.min(size, random.between(2000, 30_000)));
  const all = layerSizes.reduce((sum, size) => sum + size, 0);
  return {
    ...plan,
    ...{ durationMs, layerSizes },
    maxSize: Math.round(all * random.pick([0.5, 0.8, 1.1])) + 10_000,
    deletions: some(random.between(1, 3), durationMs >> 1),
    moves: [...plan.moves, ...some(random.between(4, 12), durationMs)],
    freshness: plan.freshness === 'immutable' ? 3000 : plan.freshness,
  };
}
