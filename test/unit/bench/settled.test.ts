import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { untilSettled } from '../../bench/settled.ts';

/** A server that does something in each of these looks, and nothing behind them. */
function working(looks: readonly { readonly seconds?: number; readonly bytes?: number }[]) {
  const server = { host: 'a server', usage: { user: 0, system: 0 }, writtenBytes: 0, looked: 0 };
  const pause = async () => {
    const { seconds = 0, bytes = 0 } = looks[server.looked] ?? {};
    server.usage = { user: server.usage.user, system: server.usage.system + seconds };
    server.writtenBytes += bytes;
    server.looked += 1;
  };
  return { server, pause };
}

describe('a server', () => {
  it('has settled when it was quiet for a second', async () => {
    const { server, pause } = working([]);
    assert.equal(await untilSettled(server, pause), 0);
    assert.equal(server.looked, 4);
  });

  it('has not while it works or writes, be it with pauses', async () => {
    const busy = working([{ seconds: 0.2 }, {}, {}, {}, { bytes: 1 }]);
    assert.equal(await untilSettled(busy.server, busy.pause), 1250);
    assert.equal(busy.server.looked, 9);
  });

  it('may have timers', async () => {
    const { server, pause } = working(Array.from({ length: 100 }, () => ({ seconds: 0.009 })));
    assert.equal(await untilSettled(server, pause), 0);
  });

  it('that never comes to rest is not waited for', async () => {
    const { server, pause } = working(Array.from({ length: 1000 }, () => ({ bytes: 1 })));
    await assert.rejects(untilSettled(server, pause), /a server goes on working/);
  });
});
