import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { type Answer, closed, kinds, RawPeer, sending } from '#test/fakes/raw-peer.ts';

const own = answerOf('its own');
const evil = answerOf('evil');
const head = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n';

function answerOf(content: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n${content}`;
}

/** What the next request gets, after an answer to this one. */
async function next(peer: RawPeer, method: 'HEAD' | 'GET'): Promise<string> {
  await (await peer.send({ method }))[Symbol.asyncDispose]();
  return await peer.text();
}

/** Sends the one at once, and the other when the next request comes on the same connection, before its answer. */
function holdingBack(first: string, surplus: string): Answer {
  return (socket) => {
    socket.write(first);
    socket.prependOnceListener('data', () => socket.write(surplus));
  };
}

for (const kind of kinds) {
  describe(`behind an answer to a request for ${kind}`, () => {
    const surpluses: [what: string, surplus: string][] = [
      ['a body', 'evil'],
      ['an answer', evil],
      ['a blank line and an answer', `\r\n${evil}`],
    ];
    for (const [what, surplus] of surpluses) {
      it(`by HEAD ${what} is never the next answer, whenever it comes`, async () => {
        const ways: Answer[] = [
          sending(`${head}${surplus}`),
          sending(head, surplus),
          (socket) => void (socket.write(head) && globalThis.setTimeout(() => socket.write(surplus), 3)),
          holdingBack(head, surplus),
        ];
        for (const way of ways) {
          await using peer = await RawPeer.start([way, own], { kind });
          assert.equal(await next(peer, 'HEAD'), 'its own');
          assert.equal(peer.sockets.length, 2);
        }
      });

      it(`by 204 or 304 ${what} is never the next answer`, async () => {
        for (const status of ['204 No Content', '304 Not Modified']) {
          const nothing = `HTTP/1.1 ${status}\r\nContent-Length: 4\r\n\r\n`;
          for (const way of [sending(nothing, surplus), holdingBack(nothing, surplus)]) {
            await using peer = await RawPeer.start([way, own], { kind });
            assert.equal(await next(peer, 'GET'), 'its own');
            assert.equal(peer.sockets.length, 2);
          }
        }
      });

      it(`with its length ${what} costs the connection, read or left unread`, async () => {
        const missing = 'HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone';
        await using unread = await RawPeer.start([sending(missing, surplus), own], { kind });
        assert.equal(await next(unread, 'GET'), 'its own');
        await using read = await RawPeer.start([sending(missing, surplus), own], { kind });
        assert.equal(await read.text(), 'none');
        assert.equal(await read.text(), 'its own');
        assert.deepEqual([unread.sockets.length, read.sockets.length], [2, 2]);
      });

      it(`${what} that has come when the next request is made costs the connection`, async () => {
        const written = Promise.withResolvers<void>();
        let first: Socket | undefined;
        const answer: Answer = (socket) => {
          first = socket;
          socket.write(answerOf('first'));
        };
        await using peer = await RawPeer.start([answer, own], { kind });
        assert.equal(await peer.text(), 'first');
        first?.write(surplus, () => written.resolve());
        await written.promise;
        assert.equal(await peer.text(), 'its own');
        assert.equal(peer.sockets.length, 2);
      });
    }

    it('by Connection: close nothing is read', async () => {
      const last = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast';
      await using peer = await RawPeer.start([holdingBack(last, evil), own], { kind });
      assert.equal(await next(peer, 'GET'), 'its own');
      await closed(peer.sockets[0]);
    });

    it('that takes up more than one read the unread rest is no answer', async () => {
      const body = evil.padEnd(9000, 'x');
      const long = `HTTP/1.1 404 Not Found\r\nContent-Length: ${body.length}\r\n\r\n`;
      await using peer = await RawPeer.start([(socket) => void drip(socket, long, body), own], { kind });
      assert.equal(await next(peer, 'GET'), 'its own');
    });
  });
}

async function drip(socket: Socket, ...parts: string[]): Promise<void> {
  for (const part of parts) {
    socket.write(part);
    await setTimeout(2);
  }
}

describe('a connection that answered a HEAD', () => {
  it('rests, while others are used, and carries the next request when nothing came for so long', async () => {
    const clock = new FakeClock();
    const right: Answer = (socket, request) => void socket.write(request.startsWith('HEAD') ? head : own);
    await using peer = await RawPeer.start([right], { kind: 'a manifest', clock });
    assert.equal(await next(peer, 'HEAD'), 'its own');
    assert.equal(await peer.text(), 'its own');
    assert.equal(peer.sockets.length, 2);
    await closed(peer.sockets[0]);
    await (await peer.send({ method: 'HEAD' }))[Symbol.asyncDispose]();
    await clock.advance(1000);
    assert.equal(await peer.text(), 'its own');
    assert.equal(peer.sockets.length, 2);
  });

  it('is one of no more than are allowed at a time', async () => {
    await using peer = await RawPeer.start([head], { kind: 'a manifest', maxConcurrent: 3 });
    for (let call = 0; call < 8; call += 1)
      await (await peer.send({ method: 'HEAD' }))[Symbol.asyncDispose]();
    await Promise.all(peer.sockets.slice(0, 5).map(closed));
    assert.deepEqual(
      peer.sockets.map(({ closed }) => closed),
      [true, true, true, true, true, false, false, false],
    );
  });
});
