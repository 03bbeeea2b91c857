import { parseArgs } from 'node:util';
import { invariants } from './findings.ts';
import { planOf } from './plan-of-seed.ts';
import { type Result, simulate } from './simulate.ts';

const usage = `npm run simulate -- [--seed N] [--minutes M | --seeds COUNT] [--trace] [--pass-over NAME,…] [--go-on]

Runs scenarios from seed N on (default: 1) until M minutes are over (default: 1), or one alone where neither --minutes nor --seeds is given
with --seed. Ends at the first finding, with 1, unless --go-on. Invariants: ${Object.keys(invariants).join(', ')}.`;

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string' },
    seeds: { type: 'string' },
    trace: { type: 'boolean', default: false },
    'pass-over': { type: 'string', default: '' },
    'go-on': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const linesShown = 40;

async function main(): Promise<void> {
  const first = Number(options.seed ?? 1);
  const isOne = options.seed !== undefined && options.minutes === undefined && options.seeds === undefined;
  const count = isOne ? 1 : Number(options.seeds ?? Number.POSITIVE_INFINITY);
  const endAt =
    options.seeds === undefined
      ? performance.now() + Number(options.minutes ?? 1) * 60_000
      : Number.POSITIVE_INFINITY;
  const passedOver = new Set(options['pass-over'].split(',').filter((name) => name !== ''));
  const onLine = options.trace ? (line: string) => console.log(line) : undefined;
  const found = new Map<string, number[]>();
  const begun = performance.now();
  let steps = 0;
  let done = 0;
  for (let seed = first; seed < first + count && (isOne || performance.now() < endAt); seed += 1) {
    const result = await simulate(planOf(seed), { passedOver, ...(onLine && { onLine }) });
    steps += result.steps;
    done += 1;
    for (const { invariant } of result.findings) {
      const seeds = found.get(invariant) ?? [];
      if (seeds.at(-1) !== seed) found.set(invariant, [...seeds, seed]);
    }
    if (result.first === undefined) continue;
    process.exitCode = 1;
    report(seed, result);
    if (!options['go-on']) break;
  }
  const seconds = (performance.now() - begun) / 1000;
  const rate = Math.round(steps / seconds);
  console.log(`${done} seeds from ${first} on, ${steps} steps in ${seconds.toFixed(1)} s (${rate} a second)`);
  for (const [invariant, seeds] of found)
    console.log(`${invariant}: ${seeds.length} seeds: ${seeds.slice(0, 12).join(' ')}`);
}

function report(seed: number, { first, trace, steps }: Result): void {
  if (first === undefined) return;
  if (options['go-on']) {
    console.log(`seed ${seed}: ${first.invariant}: ${first.message}`);
    return;
  }
  if (!options.trace) for (const line of trace.last(linesShown)) console.log(line);
  console.log(
    `\nseed ${seed}, after ${(first.time / 1000).toFixed(3)} s and ${steps} steps: ${first.invariant}`,
  );
  console.log(`  ${first.message}`);
  console.log(`  which must hold: ${invariants[first.invariant]}`);
  console.log(`  again: npm run simulate -- --seed ${seed} --trace`);
}

if (options.help) console.log(usage);
else await main();
