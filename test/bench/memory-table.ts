import { Upstream } from './bench-upstream.ts';
import { Candidate } from './candidates.ts';
import { mebibyte } from './content.ts';
import { ListRegistry } from './list-registry.ts';
import { MemoryLoads } from './memory-loads.ts';
import { ours } from './peers.ts';

const crowds = [10, 100, 500];
const listClients = 100;

type Load = (loads: MemoryLoads) => Promise<unknown>;
const pulls: Readonly<Record<string, Load>> = {
  cold: async (loads) => await loads.cold(),
  cached: async (loads) => await loads.cached(),
  small: async (loads) => await loads.small(),
};
const lists: Readonly<Record<string, Load>> = {
  'lists of their own': async (loads) => await loads.lists(),
  'the same lists': async (loads) => await loads.sameLists(),
  'not taken': async (loads) => await loads.slowLists(),
};

/**
 * `npm run bench -- --memory 256,512`: the most that the server holds in containers of so many MiB, idle and then after each load: a row for each
 * crowd that pulls, and then one for each container in which clients read large lists. Root. A server that does not live through it throws.
 */
export async function memoryTable(limits: readonly number[]): Promise<void> {
  head('limit MiB', 'clients', 'idle', ...Object.keys(pulls));
  for (const limit of limits)
    for (const clients of crowds) row(limit, clients, ...(await measured(limit, clients, pulls)));
  head('limit MiB', 'clients', 'idle', ...Object.keys(lists));
  for (const limit of limits) row(limit, listClients, ...(await measured(limit, listClients, lists)));
}

async function measured(
  limit: number,
  clients: number,
  loads: Readonly<Record<string, Load>>,
): Promise<number[]> {
  await using upstream = await Upstream.start();
  await using first = await ListRegistry.start();
  await using second = await ListRegistry.start();
  const registries = [upstream, first, second].map(({ host }) => ({ name: host, scheme: 'http' }));
  const memoryLimit = limit * mebibyte;
  await using server = await Candidate.start(ours, upstream, { memoryLimit, settings: { registries } });
  const crowd = new MemoryLoads(server, upstream, [first, second], clients);
  const peaks = [server.peakMiB];
  for (const load of Object.values(loads)) {
    server.forgetPeak();
    await load(crowd);
    const hurt = await server.hurt();
    if (hurt !== undefined) throw new Error(hurt);
    peaks.push(server.peakMiB);
  }
  return peaks.map(Math.round);
}

function head(...cells: readonly string[]): void {
  row(...cells);
  row(...cells.map(() => '-'));
}

function row(...cells: readonly (string | number)[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}
