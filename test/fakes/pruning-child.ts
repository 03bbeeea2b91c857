/** The process that a test forks to prune a directory again and again until it is told to stop. Told to pause it does so when a round is over, and says how much it has freed. */
import { pruneImages } from '#src/app/prune.ts';
import { loadConfig } from '#src/config/load.ts';
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
const signal = new AbortController().signal;
const parts = { log: new LogLines(), signal, graceMs: Number(graceMs) };
for (let round = 0; !isOver; round += 1) {
  const matches = (name: string): boolean => (name.length + round) % 3 !== 0;
  await pruneImages(
    config,
    { matches },
    false,
    async (removed) => {
      freed += removed.freed;
    },
    parts,
  );
  if (isPaused) {
    resume = Promise.withResolvers();
    process.send?.({ freed });
    await resume.promise;
  }
}
process.disconnect?.();
