import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { AddressRule } from '#src/net/dial/address-rule.ts';
import { SocketLimit } from '#src/net/dial/socket-limit.ts';
import { connections } from '#test/fakes/cloud-connections.ts';
import { FakeCloud } from '#test/fakes/fake-clouds.ts';
import { json } from '#test/fakes/upstream-answers.ts';

const anywhere: AddressRule = { checkUrl() {}, allowed: (_, addresses) => addresses, connected() {} };

/** A connection is closed a moment after it was used. */
async function whenFree({ reserve }: SocketLimit): Promise<Disposable> {
  for (;;) {
    try {
      return reserve.take();
    } catch {
      await setImmediate();
    }
  }
}

describe('a question for credentials', { timeout: 20_000 }, () => {
  it('has a socket though transfers have all, and counts: there are no more than are for such', async () => {
    await using cloud = await FakeCloud.start();
    cloud.answer = () => json({});
    const sockets = new SocketLimit(1, 1);
    const connect = connections({ sockets });
    const url = new URL(cloud.origin);
    const ask = async () => {
      await using questions = connect(anywhere);
      return (await questions.ask({ method: 'GET', url })).status;
    };
    using _transfer = sockets.take();
    assert.equal(await ask(), 200);
    const other = await whenFree(sockets);
    await assert.rejects(ask(), { code: 'UNAVAILABLE', status: 503 });
    other[Symbol.dispose]();
    assert.equal(await ask(), 200);
  });
});
