import { describePlan } from './describe-plan.ts';
import { type Finding, type Invariant, invariants } from './findings.ts';
import { readOptions, usage } from './options.ts';
import { planOf } from './plan-of-seed.ts';
import { allOf, dispensable, type Kept, keepOnly, shrink } from './shrink.ts';
import { simulate } from './simulate.ts';

/** Of the trace of a finding; all with `--trace`. */
const linesShown = 40;
/** How long to look for a smaller scenario that shows the same. */
const shrinkMs = 20_000;

const options = readOptions(process.argv.slice(2));
const { passedOver, isTraced } = options;
const onLine = isTraced ? (line: string) => console.log(line) : undefined;

/** `npm run simulate`: seed after seed, until the time is over or one finds something. */
async function main(): Promise<void> {
  const found = new Map<Invariant, number[]>();
  const begun = performance.now();
  let steps = 0;
  let done = 0;
  for (let { seed } = options; done < options.seeds && performance.now() - begun < options.forMs; seed += 1) {
    const plan = keepOnly(planOf(seed), { ...allOf(planOf(seed)), ...options.kept });
    const result = await simulate(plan, { passedOver, ...(onLine && { onLine }) });
    steps += result.steps;
    done += 1;
    for (const invariant of new Set(result.findings.map((finding) => finding.invariant)))
      found.set(invariant, [...(found.get(invariant) ?? []), seed]);
    if (result.first === undefined) continue;
    process.exitCode = 1;
    if (options.goesOn) console.log(`seed ${seed}: ${result.first.invariant}: ${result.first.message}`);
    else {
      await report(seed, result.first);
      break;
    }
  }
  const seconds = (performance.now() - begun) / 1000;
  const rate = Math.round(steps / seconds);
  console.log(
    `${done} seeds from ${options.seed} on, ${steps} steps in ${seconds.toFixed(1)} s (${rate} a second)`,
  );
  for (const [invariant, seeds] of found)
    console.log(`${invariant}: ${seeds.length} seeds: ${seeds.slice(0, 12).join(' ')}`);
}

async function report(seed: number, finding: Finding): Promise<void> {
  const plan = planOf(seed);
  const isChosen = Object.keys(options.kept).length > 0;
  const kept =
    isChosen || isTraced
      ? { ...allOf(plan), ...options.kept }
      : await shrink(plan, finding, { passedOver }, shrinkMs);
  const smaller = keepOnly(plan, kept);
  const { first = finding, trace, steps } = await simulate(smaller, { passedOver });
  console.log();
  for (const line of describePlan(smaller)) console.log(line);
  console.log();
  if (!isTraced) for (const line of trace.last(linesShown)) console.log(line);
  console.log(
    `\nseed ${seed}, after ${(first.time / 1000).toFixed(3)} s and ${steps} steps: ${first.invariant}`,
  );
  console.log(`  ${first.message}`);
  console.log(`  which must hold: ${invariants[first.invariant]}`);
  console.log(`  again: npm run simulate -- --seed ${seed}${keptText(kept)} --trace`);
}

function keptText(kept: Kept): string {
  return dispensable.map((name) => ` --${name} ${kept[name].join(',') || 'none'}`).join('');
}

if (options.wantsHelp) console.log(usage);
else await main();
