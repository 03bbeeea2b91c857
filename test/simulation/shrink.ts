import type { Finding } from './findings.ts';
import type { Plan } from './plan.ts';
import { type SimulateOptions, simulate } from './simulate.ts';

export const dispensable = [
  'clients',
  'faults',
  'moves',
  'deletions',
  'crashes',
  'prunes',
  'spoils',
  'bundles',
  'pushers',
] as const;

/** The lists of a plan that it can do without, and the places in them that are kept. */
export type Kept = Readonly<Record<(typeof dispensable)[number], readonly number[]>>;

export function allOf(plan: Plan): Kept {
  const places = (list: readonly unknown[]): number[] => list.map((_item, place) => place);
  const { clients, faults, moves, deletions, crashes, prunes, spoils, bundles, pushers } = plan;
  return {
    ...{ clients: places(clients), faults: places(faults), moves: places(moves) },
    ...{ deletions: places(deletions), crashes: places(crashes), prunes: places(prunes) },
    ...{ spoils: places(spoils), bundles: places(bundles), pushers: places(pushers) },
  };
}

export function keepOnly(plan: Plan, kept: Kept): Plan {
  const some = <Item>(list: readonly Item[], places: readonly number[]): readonly Item[] =>
    list.filter((_item, place) => places.includes(place));
  return {
    ...plan,
    clients: some(plan.clients, kept.clients),
    faults: some(plan.faults, kept.faults),
    moves: some(plan.moves, kept.moves),
    deletions: some(plan.deletions, kept.deletions),
    crashes: some(plan.crashes, kept.crashes),
    prunes: some(plan.prunes, kept.prunes),
    spoils: some(plan.spoils, kept.spoils),
    bundles: some(plan.bundles, kept.bundles),
    pushers: some(plan.pushers, kept.pushers),
  };
}

/** What is left of a plan when all that the finding can do without is taken away; looks no longer than so many milliseconds. */
export async function shrink(
  plan: Plan,
  finding: Finding,
  options: SimulateOptions,
  forMs: number,
): Promise<Kept> {
  const until = performance.now() + forMs;
  const showsIt = async (kept: Kept): Promise<boolean> => {
    const { first } = await simulate(keepOnly(plan, kept), options);
    return first !== undefined && kindOf(first) === kindOf(finding);
  };
  let kept = allOf(plan);
  for (const name of dispensable) {
    for (let size = kept[name].length; size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < kept[name].length && performance.now() < until; ) {
        const without = {
          ...kept,
          [name]: kept[name].filter((_place, index) => index < at || index >= at + size),
        };
        if (await showsIt(without)) kept = without;
        else at += size;
      }
    }
  }
  return kept;
}

/** What two findings of one fault have in common: their words without names and numbers. */
function kindOf({ invariant, message }: Finding): string {
  return `${invariant}: ${message.replaceAll(/\S*[\d/]\S*/g, '').replace(/^\w+ /, '')}`;
}
