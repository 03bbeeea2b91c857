import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { KnownCaller } from '#src/http/exchange/known-caller.ts';
import type { Catalog } from '#src/http/handlers/call.ts';
import { createRouter } from '#src/http/router.ts';
import { startServer } from '#src/http/server.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask, codeOf } from '#test/fakes/registry-server.ts';

/** Whose rules say nothing of where names begin, and let him pull none. */
const known: KnownCaller = {
  ...{
    id: 'ann',
    address: '192.0.2.1',
    repository: undefined,
    digest: undefined,
    rule: undefined,
    headers: [],
  },
  ...{ mayPull: () => false, mayPullBlob: () => false, checkTags: () => {}, answered: () => {} },
  ...{ pullable: { beginnings: [''], has: () => false }, tagsPassing: () => undefined },
};

/** A server whose catalogue is this list, for whoever may pull nothing of it. */
async function serve(catalog: Catalog, clock = new FakeClock()) {
  const router = createRouter({
    ...{ registry: new MemoryRegistry(), catalog, linkPrefix: '', admit: () => {}, log: new LogLines() },
    target: { aliases: new Map(), defaultNs: undefined },
    authorise: ({ tell }) => tell?.(known),
    headLimit: { clock, milliseconds: 20_000 },
  });
  return await startServer(router, {
    host: '127.0.0.1',
    port: 0,
    maxConnections: 20,
    idleTimeoutMs: 120_000,
    log: new LogLines(),
  });
}

describe('the catalogue of who may not see all of it', () => {
  it('is looked through for one at a time', async () => {
    let [running, most] = [0, 0];
    await using server = await serve(async ({ last = '', limit }) => {
      running += 1;
      most = Math.max(most, running);
      for (let turns = 0; turns < 5; turns += 1) await setImmediate();
      running -= 1;
      return last.length > 3 ? [] : Array.from({ length: limit }, (_, at) => `${last}a${at}`);
    });
    const answers = await Promise.all([1, 2, 3, 4].map(async () => await ask(server, '/v2/_catalog')));
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body.toString().trim()]),
      answers.map(() => [200, '{"repositories":[]}']),
    );
    assert.equal(most, 1);
  });

  it('is looked through no longer than he waits for a status line, and is the next one’s then', async () => {
    const clock = new FakeClock();
    const began = Promise.withResolvers<void>();
    let isEndless = true;
    await using server = await serve(async ({ limit }) => {
      began.resolve();
      return isEndless ? Array.from({ length: limit }, (_, at) => `a${at}`) : [];
    }, clock);
    const endless = ask(server, '/v2/_catalog');
    await began.promise;
    await clock.advance(20_000);
    const late = await endless;
    assert.deepEqual([late.status, codeOf(late)], [503, 'UNAVAILABLE']);
    isEndless = false;
    assert.equal((await ask(server, '/v2/_catalog')).status, 200);
  });
});
