import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '#src/base/clock.ts';
import { ReceiveTurns, receiveTurns } from '#src/net/wire/receive-turns.ts';
import { serverKeys, TestAuthority } from '#test/fakes/certificates.ts';
import { kinds, type PeerSettings, RawPeer, sending } from '#test/fakes/raw-peer.ts';

const piece = 256 * 1024;

describe('a turn to receive', () => {
  it('is over when it has lasted, and goes on in a later one', async () => {
    const [turns, clock] = [new ReceiveTurns(), steps(2)];
    const { promise, resolve } = Promise.withResolvers<void>();
    const asked = [assert.fail, assert.fail, resolve].map((goOn) => turns.isOver(piece, clock, goOn));
    assert.deepEqual(asked, [false, false, true]);
    await promise;
    assert.equal(turns.isOver(piece, clock, assert.fail), false, 'another has begun');
  });

  it('ends for all who receive', async () => {
    const turns = new ReceiveTurns();
    const clock = steps(3);
    const wentOn: number[] = [];
    const asked = Array.from({ length: 10 }, (_, at) => turns.isOver(piece, clock, () => wentOn.push(at)));
    assert.deepEqual(asked.slice(0, 3), [false, false, true]);
    assert.deepEqual(wentOn, []);
    await setImmediate();
    assert.deepEqual(
      wentOn,
      Array.from({ length: 4 }, (_, at) => at + 2),
      'no more at a time, the first first',
    );
    for (let turn = 0; turn < 2; turn += 1) await setImmediate();
    assert.equal(wentOn.length, 8);
  });

  it('is none of a small piece, behind which the socket is empty', () => {
    const [turns, clock] = [new ReceiveTurns(), steps(100)];
    const asked = Array.from({ length: 10 }, () => turns.isOver(1024, clock, assert.fail));
    assert.ok(!asked.includes(true));
  });

  it('does not come for whoever has left', async () => {
    const [turns, clock] = [new ReceiveTurns(), steps(100)];
    turns.isOver(piece, clock, assert.fail);
    assert.equal(turns.isOver(piece, clock, assert.fail), true);
    turns.leave(assert.fail);
    for (let turn = 0; turn < 3; turn += 1) await setImmediate();
  });
});

/** Of eight pieces that are sent at once: the bytes that came in each turn of the event loop. */
async function bytesByTurns(settings: PeerSettings): Promise<number[]> {
  const body = Buffer.alloc(8 * piece, 'x');
  await using peer = await RawPeer.start([sending(headOf(body), body)], { ...settings, clock: steps(5) });
  let [turn, isOver] = [0, false];
  const count = async (): Promise<void> => {
    for (; !isOver; turn += 1) await setImmediate();
  };
  const counted = count();
  const byTurns = new Map<number, number>();
  await using response = await peer.send();
  for await (const { length } of response.body) byTurns.set(turn, (byTurns.get(turn) ?? 0) + length);
  isOver = true;
  await counted;
  const bytes = [...byTurns.values()];
  assert.equal(
    bytes.reduce((sum, each) => sum + each, 0),
    body.length,
  );
  return bytes;
}

for (const kind of kinds) {
  describe(`${kind} that comes faster than it is read`, () => {
    it('leaves others their turns of the event loop', async () => {
      const bytes = await bytesByTurns({ kind });
      // The piece with which a turn begins, and the one with which it is over.
      assert.ok(Math.max(...bytes) <= 2 * piece + 32 * 1024, `${bytes}`);
    });

    it('leaves them over TLS', async () => {
      await using authority = await TestAuthority.create();
      const serverTls = await serverKeys(await authority.issue('localhost', 'IP:127.0.0.1'));
      const bytes = await bytesByTurns({ kind, serverTls, tls: { insecureSkipVerify: true } });
      // And what was decrypted with them.
      assert.ok(Math.max(...bytes) <= piece, `${bytes}`);
    });

    it('can be given up while others have theirs, and the wire goes on', async () => {
      const body = Buffer.alloc(8 * piece, 'x');
      const answers = [sending(headOf(body), body), sending(headOf(Buffer.from('ok')), 'ok')];
      await using peer = await RawPeer.start(answers, { kind, clock: steps(5) });
      const response = await peer.send();
      for await (const _ of response.body) break;
      await response[Symbol.asyncDispose]();
      assert.equal(await peer.text(), 'ok');
    });
  });
}

describe('a connection whose answer ended while others had their turn', () => {
  it('is heard at once, so that what nobody asked for is not taken for the next answer', async () => {
    await using authority = await TestAuthority.create();
    const serverTls = await serverKeys(await authority.issue('localhost', 'IP:127.0.0.1'));
    const clock = steps(5);
    const body = Buffer.alloc(60 * 1024, 'x');
    const answers = [
      (socket: Socket) => {
        for (let at = 0; at < 400; at += 1) receiveTurns.isOver(piece, clock, () => undefined);
        socket.write(Buffer.concat([Buffer.from(headOf(body)), body]));
      },
      sending(headOf(Buffer.from('ok')), 'ok'),
    ];
    const tls = { insecureSkipVerify: true };
    await using peer = await RawPeer.start(answers, { kind: 'a blob', clock, serverTls, tls });
    assert.equal((await peer.text()).length, body.length);
    const unasked = Buffer.from('evil');
    peer.sockets[0]?.write(`${headOf(unasked)}${unasked.toString()}`);
    for (let turn = 0; turn < 20; turn += 1) await setImmediate();
    assert.equal(await peer.text(), 'ok');
    assert.equal(peer.sockets.length, 2);
  });
});

function headOf({ length }: Buffer): string {
  return `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`;
}

/** A clock on which so much passes between two looks. Milliseconds. */
function steps(milliseconds: number): typeof systemClock {
  let at = 0;
  return {
    ...systemClock,
    monotonic: () => {
      at += milliseconds;
      return at;
    },
  };
}
