import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Plan } from '#test/simulation/plan.ts';
import { planOf } from '#test/simulation/plan-of-seed.ts';
import { simulate } from '#test/simulation/simulate.ts';

/** A scenario of each kind. */
const kinds: Readonly<Record<string, (plan: Plan) => boolean>> = {
  'with stores in memory': ({ store }) => store === 'memory',
  'with files and a power cut': ({ store, crashes }) =>
    store === 'file' && crashes.some(({ kind }) => kind === 'power'),
  'with SQLite and a kill': ({ index, crashes }) =>
    index === 'sqlite' && crashes.some(({ kind }) => kind === 'kill'),
  'with redirects, tokens and faults': ({ hosts, faults }) =>
    faults.length > 2 &&
    hosts.some(({ wants, redirectsFor }) => wants === 'token' && redirectsFor !== undefined),
  'with many clients and images': ({ images }) => images.length > 100,
  'with two servers on one directory': ({ isShared, moves, prunes }) =>
    isShared && moves.length + prunes.length > 0,
  'with pushes to repositories that live here, and a kill': ({ pushers, crashes }) =>
    pushers.length > 0 && crashes.some(({ kind }) => kind === 'kill'),
  'with pushes to two servers on one directory': ({ pushers, isShared }) => pushers.length > 0 && isShared,
  'with bundles that commands make and import beside two servers': ({ isShared, bundles }) =>
    isShared && bundles.some(({ kind }) => kind === 'import'),
  'with bundles that a server makes and imports': ({ isShared, bundles }) =>
    !isShared && bundles.some(({ kind }) => kind === 'import'),
};

/** The first so many. */
const plans = Array.from({ length: 200 }, (_, at) => planOf(at + 1));

/** The shortest of them. */
function planOfKind(isWanted: (plan: Plan) => boolean): Plan {
  const [plan] = plans.filter(isWanted).toSorted((one, other) => one.durationMs - other.durationMs);
  if (plan === undefined) throw new Error('no seed has a scenario of this kind');
  return plan;
}

async function hashesOf(plan: Plan): Promise<readonly string[]> {
  const hashes: string[] = [];
  for (let run = 0; run < 2; run += 1) hashes.push((await simulate(plan)).hash);
  return hashes;
}

describe('a seed', () => {
  for (const [kind, isWanted] of Object.entries(kinds)) {
    it(`gives the same trace each time, ${kind}`, async () => {
      const [first, second] = await hashesOf(planOfKind(isWanted));
      assert.equal(second, first);
    });
  }

  it('gives another trace than its neighbour', async () => {
    const { seed } = planOfKind(({ store }) => store === 'memory');
    assert.notEqual((await simulate(planOf(seed))).hash, (await simulate(planOf(seed + 1))).hash);
  });
});
