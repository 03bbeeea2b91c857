import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Candidate } from '../candidates.ts';
import type { Done } from './life-tasks.ts';

/** So often it is looked at how far it is. Milliseconds. */
const lookMs = 250;
/** Down to such a part of the limit it goes. */
const down = 0.95;

/** Configures a limit for which a tenth has to go, which holds from the next start. Returns how it is waited for that it has gone. */
export async function lowerLimit(server: Candidate): Promise<{ readonly evicted: () => Promise<Done> }> {
  const before = await heldBy(server);
  const goal = Math.floor(before.bytes * 0.9);
  const configuration = JSON.parse(await readFile(server.configurationFile, 'utf8')) as {
    cache?: object;
  };
  const cache = { ...configuration.cache, maxSize: Math.floor(goal / down) };
  await writeFile(server.configurationFile, JSON.stringify({ ...configuration, cache }));
  const evicted = async (): Promise<Done> => {
    const begunAt = performance.now();
    let now = await heldBy(server);
    while (now.bytes > goal + 1) {
      await sleep(lookMs);
      now = await heldBy(server);
    }
    const count = (before.manifests - now.manifests).toLocaleString('en');
    return { seconds: (performance.now() - begunAt) / 1000, came: `${count} images` };
  };
  return { evicted };
}

/** By its own account. */
async function heldBy({ host }: Candidate): Promise<{ readonly manifests: number; readonly bytes: number }> {
  const text = await (await fetch(`http://${host}/cmd/registry/list`)).text();
  const [, manifests = 0, manifestBytes = 0, , blobBytes = 0] =
    /^\* .+$/m.exec(text)?.[0].split(' ').map(Number) ?? [];
  return { manifests, bytes: manifestBytes + blobBytes };
}
