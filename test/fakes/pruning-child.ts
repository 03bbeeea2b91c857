/** The process that a test forks to prune a directory again and again until it is told to stop. Told to pause it does so when a round is over, and says how much it has freed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryPlan } from '#src/app/memory-plan.ts';
import { retentionParts } from '#src/app/prune.ts';
import { openStore } from '#src/app/store.ts';
import { systemClock } from '#src/base/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { ImagePruner } from '#src/retention/image-pruner.ts';
import { LogLines } from './log-lines.ts';

const [imagePath = '', graceMs = '0'] = process.argv.slice(2);
const { config } = await loadConfig({ flags: { imagePath }, env: {} });
let [isOver, isPaused] = [false, false];
let resume = Promise.withResolvers<void>();
process.on('message', (message) => {
  isOver = message === 'stop';
  isPaused = message === 'pause';
  if (!isPaused) resume.resolve();
});
process.on('disconnect', () => process.exit());

let freed = 0;
const [log, clock] = [new LogLines(), systemClock];
const store = await openStore(imagePath, {
  memory: memoryPlan(),
  files: { writers: 10 },
  clock,
  log,
  says() {},
});
const pruner = new ImagePruner(
  retentionParts(store, config, { clock, graceMs: Number(graceMs), changed() {} }),
);
for (let round = 0; !isOver; round += 1) {
  // Another one each time, and some never.
  const matches = (name: string): boolean => name.endsWith(String(round % 7));
  for await (const removed of pruner.prune({ matches }, { dryRun: false })) freed += removed.freed;
  await sleep(10);
  if (isPaused) {
    resume = Promise.withResolvers();
    process.send?.({ freed });
    await resume.promise;
  }
}
await store[Symbol.asyncDispose]();
process.disconnect();
