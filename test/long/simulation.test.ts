import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planOf } from '#test/simulation/plan-of-seed.ts';
import { simulate } from '#test/simulation/simulate.ts';

/** Of real time; `npm run simulate` for more. Milliseconds. */
const forMs = 120_000;
/** Those before are tried by test/unit/simulation/simulation.test.ts. */
const firstSeed = 100;

describe('the simulation', () => {
  it('finds nothing in two minutes', async () => {
    const until = performance.now() + forMs;
    for (let seed = firstSeed; performance.now() < until; seed += 1) {
      const { first } = await simulate(planOf(seed));
      assert.equal(
        first,
        undefined,
        `${first?.invariant}: ${first?.message}; npm run simulate -- --seed ${seed}`,
      );
    }
  });
});
