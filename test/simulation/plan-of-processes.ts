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
  return { ...plan, bundles: bundles.toSorted((one, other) => one.at - other.at) };
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
