import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Invariant, invariants } from '#test/simulation/findings.ts';
import type { Plan } from '#test/simulation/plan.ts';
import { planOf } from '#test/simulation/plan-of-seed.ts';
import { simulate } from '#test/simulation/simulate.ts';

const maxSeeds = 300;

/** The first of these that the scenarios find, spoiled in this way. */
async function found(
  wanted: readonly Invariant[],
  spoil: (plan: Plan) => Plan | undefined,
): Promise<Invariant | undefined> {
  const passedOver = Object.keys(invariants).filter((name) => !wanted.some((one) => one === name));
  for (let seed = 1; seed <= maxSeeds; seed += 1) {
    const plan = spoil(planOf(seed));
    const result = plan === undefined ? undefined : await simulate(plan, { passedOver });
    if (result?.first !== undefined) return result.first.invariant;
  }
  return undefined;
}

/** Bytes change in files, and no time tells of it. */
function silent(durationMs: number): Plan['spoils'] {
  return Array.from({ length: 20 }, (_, at) => ({
    at: (durationMs * (at + 1)) / 21,
    kind: 'flip' as const,
    file: (at * 0.37) % 1,
    byte: (at * 0.61) % 1,
    isSilent: true,
  }));
}

describe('the simulation', () => {
  it('finds what a power cut takes from a disk that does not sync', async () => {
    const wanted = ['complete survives a crash', 'whole answers are right'] as const;
    const seen = await found(wanted, (plan) =>
      plan.images.length < 100 && plan.crashes.some(({ kind }) => kind === 'power')
        ? { ...plan, disk: { ...plan.disk, ignoresSync: true } }
        : undefined,
    );
    assert.notEqual(seen, undefined);
  });

  it('finds what was answered to a push and a power cut takes from such a disk', async () => {
    const wanted = [
      'what was pushed is here',
      'a pushed tag is its last push',
      'nothing else lives here',
    ] as const;
    const seen = await found(wanted, (plan) =>
      plan.pushers.length > 0 && plan.crashes.some(({ kind }) => kind === 'power')
        ? { ...plan, clients: [], disk: { ...plan.disk, ignoresSync: true } }
        : undefined,
    );
    assert.notEqual(seen, undefined);
  });

  it('finds bytes that are served though their file has changed', async () => {
    const seen = await found(['whole answers are right'], (plan) =>
      plan.store === 'file' && plan.images.length < 100
        ? { ...plan, spoils: silent(plan.durationMs) }
        : undefined,
    );
    assert.notEqual(seen, undefined);
  });

  it('finds a server that does not hear of what another has changed', async () => {
    const seen = await found(['two caches are one'], (plan) =>
      plan.isShared ? { ...plan, freshness: 'immutable', isDeaf: true } : undefined,
    );
    assert.notEqual(seen, undefined);
  });

  it('finds tags that are served when they may no longer be', async () => {
    const seen = await found(['a tag is true'], (plan) =>
      plan.moves.length > 0 ? { ...plan, freshness: 'immutable', promised: 'always' } : undefined,
    );
    assert.notEqual(seen, undefined);
  });
});
