import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planOf } from '#src/app/open-files.ts';

/** As many as all that is planned may have open at a time. */
function most({ connections, aside, sockets, writers }: ReturnType<typeof planOf>): number {
  return connections + 2 * aside + sockets + writers;
}

describe('the files that this process may open', () => {
  it('are enough for all that it opens at a time, of however few there are, and some are left for itself', () => {
    for (const openFiles of [64, 128, 256, 1024, 4096, 65_536]) {
      const plan = planOf(openFiles);
      const left = openFiles - most(plan);
      assert.ok(left >= Math.min(48, openFiles / 2), `${openFiles}: ${left}`);
      assert.ok(left - plan.questions >= Math.min(40, openFiles / 3), `${openFiles}: ${plan.questions}`);
    }
  });

  it('leave room for clients', () => {
    assert.equal(planOf(1).connections, 1);
    assert.equal(planOf(256).connections, 48);
    assert.equal(planOf(1024).connections, 240);
    assert.ok(planOf(65_536).connections > 10_000);
  });

  it('bound nothing but what has its own bounds where there is no limit', () => {
    assert.deepEqual(planOf(Number.POSITIVE_INFINITY), {
      connections: Number.POSITIVE_INFINITY,
      aside: 50,
      sockets: Number.POSITIVE_INFINITY,
      questions: 8,
      writers: Number.POSITIVE_INFINITY,
      waiting: 288,
      abandoned: 64,
    });
  });
});
