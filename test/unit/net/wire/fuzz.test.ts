import { describe, it } from 'node:test';
import { fuzzWire } from '#test/fuzz/wire-property.ts';
import { repetitions } from '#test/setup/repetitions.ts';

describe('the wire', () => {
  it('takes generated answers as Node’s own parser does or not at all, and none for another', async (test) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    test.diagnostic(`seed ${seed}`);
    await fuzzWire({ seed, runs: repetitions(300) });
  });
});
