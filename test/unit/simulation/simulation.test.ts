import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planOf } from '#test/simulation/plan-of-seed.ts';
import { simulate } from '#test/simulation/simulate.ts';

/** Of real time; `npm run simulate` for more. Milliseconds. */
const forMs = Number(process.env['SIMULATE_MS'] ?? 8000);
/** On a fast machine: what these bring on a slow one is enough. */
const maxSeeds = 2000;

describe('the simulation', () => {
  it('finds nothing in some seconds', async () => {
    const until = performance.now() + forMs;
    for (let seed = 1; seed <= maxSeeds && performance.now() < until; seed += 1) {
      const { first } = await simulate(planOf(seed));
      assert.equal(
        first,
        undefined,
        `${first?.invariant}: ${first?.message}; npm run simulate -- --seed ${seed}`,
      );
    }
  });
});
