import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Upstream } from '../bench/bench-upstream.ts';
import { buildPackage } from '../bench/built-package.ts';
import { Candidate } from '../bench/candidates.ts';
import { mebibyte } from '../bench/content.ts';
import { ListRegistry } from '../bench/list-registry.ts';
import { MemoryLoads } from '../bench/memory-loads.ts';
import { ours } from '../bench/peers.ts';
import { obstacleToMemoryGroups } from '../e2e/support/memory-group.ts';

const limit = 256 * mebibyte;
const clients = 500;
const registryCount = 4;
/** Each reads lists of megabytes; they come again until there is room. */
const listClients = 100;

describe('a container of 256 MiB', { skip: (await obstacleToMemoryGroups()) ?? false }, () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let server: Candidate;
  let loads: MemoryLoads;
  let listLoads: MemoryLoads;

  before(async () => {
    await buildPackage();
    const upstream = resources.use(await Upstream.start());
    const lists: ListRegistry[] = [];
    while (lists.length < registryCount) lists.push(resources.use(await ListRegistry.start()));
    const registries = [upstream, ...lists].map(({ host }) => ({ name: host, scheme: 'http' }));
    server = resources.use(
      await Candidate.start(ours, upstream, { memoryLimit: limit, settings: { registries } }),
    );
    loads = new MemoryLoads(server, upstream, lists, clients);
    listLoads = new MemoryLoads(server, upstream, lists, listClients);
  });

  // One process lives through all of them.
  for (const [what, load] of [
    ['lives while 500 clients pull large blobs that nobody has pulled', async () => await loads.cold()],
    ['lives while 500 clients pull the same blobs from the cache', async () => await loads.cached()],
    ['lives while 500 clients pull small images', async () => await loads.small()],
    [
      'lives while 100 clients read lists of megabytes, real and junk, each his own',
      async () => await listLoads.lists(),
    ],
    ['lives while 100 clients read the same lists of megabytes', async () => await listLoads.sameLists()],
    ['lives while 100 clients take nothing of lists of megabytes', async () => await listLoads.slowLists()],
  ] as const) {
    it(what, async () => {
      await load().catch(async (error: unknown) => assert.fail(`${String(error)}; ${await server.hurt()}`));
      assert.equal(await server.hurt(), undefined);
    });
  }
});
