import { parseArgs } from 'node:util';
import { fuzzWire } from './wire-property.ts';

/** `npm run fuzz:wire -- [--runs N] [--seed N]`: some 100 answers a second. */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
console.log(`seed ${values.seed}, ${values.runs} runs`);
await fuzzWire({ seed: Number(values.seed), runs: Number(values.runs) });
console.log('nothing found');
