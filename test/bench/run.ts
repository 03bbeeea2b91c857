import { buildPackage } from './built-package.ts';
import { type Day, dayInTheLife } from './day/day.ts';
import { indexTable } from './index-table.ts';
import { measureLife } from './life/life.ts';
import { memoryTable } from './memory-table.ts';
import { type Options, readOptions, usage } from './options.ts';
import { partsTable } from './parts-table.ts';
import { measureScale } from './scale/scale.ts';
import { compareSideBySide } from './side-by-side.ts';
import { soak } from './soak.ts';

/** `npm run bench`: this server and others in front of one upstream, side by side. What counts are ratios: absolute figures move with the machine and with what else it does. */
async function main(options: Options): Promise<void> {
  if (options.help) {
    console.log(usage);
    return;
  }
  await buildPackage();
  if (options.scale !== undefined) await measureScale(options.scale);
  else if (options.soak !== undefined) await soakFor(Number(options.soak));
  else if (options.memory !== undefined) await memoryTable(options.memory.split(',').map(Number));
  else if (options.index !== undefined) await indexTable(Number(options.index));
  else if (options.life !== undefined) await measureLife(options.life);
  else if (options.day !== undefined) await goThrough(options.day);
  else if (options.parts) await partsTable();
  else await compareSideBySide(options);
}

/** Exit 1: it was not flat. */
async function soakFor(minutes: number): Promise<void> {
  const wrong = await soak(minutes);
  console.log(wrong.length === 0 ? 'flat' : `not flat: ${wrong.join('; ')}`);
  if (wrong.length > 0) process.exitCode = 1;
}

/** Exit 1: a client had a wrong answer. */
async function goThrough(day: Day): Promise<void> {
  if ((await dayInTheLife(day)) > 0) process.exitCode = 1;
}

function given(): Options {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    process.exit(2);
  }
}

// Not at once, as a signal does: what the servers have written goes with them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
await main(given());
