import { Upstream } from './bench-upstream.ts';
import { Candidate } from './candidates.ts';
import { mebibyte } from './content.ts';
import { ListRegistry } from './list-registry.ts';
import { MemoryLoads } from './memory-loads.ts';

const crowds = [10, 100, 500];
const listClients = 100;

const head = ['limit MiB', 'clients', 'idle', 'cold', 'cached', 'small', `lists (${listClients} clients)`];

/**
 * `npm run bench -- --memory 256,512`: the most that the server holds in containers of so many MiB, a row for each crowd: idle, then after
 * each load. Root. A server that does not live through it throws.
 */
export async function memoryTable(limits: readonly number[]): Promise<void> {
  console.log(row(head));
  console.log(row(head.map(() => '-')));
  for (const limit of limits) for (const clients of crowds) console.log(row(await measured(limit, clients)));
}

async function measured(limit: number, clients: number): Promise<(string | number)[]> {
  await using upstream = await Upstream.start();
  await using lists = await ListRegistry.start();
  const registries = [upstream, lists].map(({ host }) => ({ name: host, scheme: 'http' }));
  const memoryLimit = limit * mebibyte;
  await using server = await Candidate.ociregistry(upstream.host, { memoryLimit, settings: { registries } });
  const loads = new MemoryLoads(server, upstream, [lists], clients);
  const few = new MemoryLoads(server, upstream, [lists], listClients);
  const peaks = [server.peakMiB];
  for (const load of [() => loads.cold(), () => loads.cached(), () => loads.small(), () => few.lists()]) {
    server.forgetPeak();
    await load();
    const hurt = await server.hurt();
    if (hurt !== undefined) throw new Error(hurt);
    peaks.push(server.peakMiB);
  }
  return [limit, clients, ...peaks.map(Math.round)];
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`;
}
