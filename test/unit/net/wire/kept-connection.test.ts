import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { type Answer, closed, kinds, RawPeer } from '#test/fakes/raw-peer.ts';

const hello = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
/** Shorter than any test, longer than a busy machine is away. */
const silenceMs = 200;

/** Answers at once, until it is told that what stands on the way has forgotten the connections that there are. */
class Forgetting {
  readonly #forgotten = new WeakSet<Socket>();
  readonly #known = new Set<Socket>();
  lost = 0;

  readonly answer: Answer = (socket) => {
    this.#known.add(socket);
    if (this.#forgotten.has(socket)) this.lost += 1;
    else socket.write(hello);
  };

  forget(): void {
    for (const socket of this.#known) this.#forgotten.add(socket);
  }
}

for (const kind of kinds) {
  describe(`a connection for ${kind} that was kept`, () => {
    it('and is silent is given up, and a fresh one used', async () => {
      const way = new Forgetting();
      await using peer = await RawPeer.start([way.answer], { kind, silenceMs });
      assert.equal(await peer.text(), 'hello');
      way.forget();
      assert.equal(await peer.text(), 'hello');
      assert.deepEqual([way.lost, peer.sockets.length], [1, 2]);
      await closed(peer.sockets[0]);
    });

    it('is not the only one that is not believed any more when it was silent', async () => {
      const way = new Forgetting();
      await using peer = await RawPeer.start([way.answer], { kind, silenceMs, maxConcurrent: 4 });
      const burst = async () => await Promise.all(Array.from({ length: 4 }, async () => await peer.text()));
      await burst();
      way.forget();
      await peer.text();
      await burst();
      assert.equal(way.lost, 1);
      await Promise.all(peer.sockets.slice(0, 4).map(closed));
      assert.equal(peer.sockets.length, 8);
    });

    it('and began to answer is waited for as long as a fresh one', async () => {
      const late = Promise.withResolvers<Socket>();
      const begins: Answer = (socket) => {
        socket.write('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 2');
        globalThis.setTimeout(() => late.resolve(socket), 3 * silenceMs);
      };
      await using peer = await RawPeer.start([hello, begins], { kind, silenceMs });
      await peer.text();
      const text = peer.text();
      (await late.promise).write(hello.slice('HTTP/1.1 2'.length));
      assert.equal(await text, 'hello');
      assert.equal(peer.requests.length, 2);
    });

    it('is waited for longer when the upstream is known to be slow, which is not asked twice then', async () => {
      const clock = new FakeClock();
      const slow: Answer = (socket) => void clock.advance(10_000).then(() => socket.write(hello));
      const later: Answer = (socket) =>
        void globalThis.setTimeout(() => void socket.write(hello), 3 * silenceMs);
      await using peer = await RawPeer.start([slow, later], { kind, silenceMs, clock });
      for (let call = 0; call < 2; call += 1) assert.equal(await peer.text(), 'hello');
      assert.deepEqual([peer.requests.length, peer.sockets.length], [2, 1]);
    });

    it('and is silent until its try is over is the last one that is believed', async () => {
      const clock = new FakeClock();
      const way = new Forgetting();
      const slow: Answer = (socket) => void clock.advance(10_000).then(() => way.answer(socket, ''));
      await using peer = await RawPeer.start([slow, way.answer], {
        kind,
        silenceMs,
        clock,
        maxConcurrent: 4,
      });
      await peer.text();
      await Promise.all(Array.from({ length: 4 }, async () => await peer.text()));
      way.forget();
      const limit = new AbortController();
      const asked = peer.requests.length;
      const first = assert.rejects(peer.text({ signal: limit.signal }), /too long/);
      while (peer.requests.length === asked) await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(10_000);
      limit.abort(new Error('too long'));
      await first;
      assert.equal(await peer.text(), 'hello');
      assert.equal(way.lost, 1);
    });

    it('is given up with its reason when nobody waits any more, and then nothing is asked again', async () => {
      const client = new AbortController();
      await using peer = await RawPeer.start([hello, () => client.abort(new Error('gone'))], { kind });
      await peer.text();
      await assert.rejects(peer.text({ signal: client.signal }), /gone/);
      assert.equal(peer.requests.length, 2);
    });
  });

  describe(`a fresh connection for ${kind}`, () => {
    it('may be silent for longer, and nothing is asked twice when it is', async () => {
      const later: Answer = (socket) => void globalThis.setTimeout(() => socket.write(hello), 100);
      await using slow = await RawPeer.start([later], { kind, silenceMs: 10 });
      assert.equal(await slow.text(), 'hello');
      await using mute = await RawPeer.start([() => undefined], { kind, headersTimeoutMs: 30 });
      await assert.rejects(mute.text(), { code: 'UNAVAILABLE', status: 504 });
      assert.deepEqual([slow.requests.length, mute.requests.length], [1, 1]);
    });
  });
}

describe('the connections for blobs and for manifests', () => {
  it('are not believed any more when one of the other kind was silent', async () => {
    const way = new Forgetting();
    await using peer = await RawPeer.start([way.answer], { kind: 'a manifest', silenceMs });
    for (const bulk of [true, false]) await peer.text({ bulk });
    way.forget();
    for (const bulk of [false, true]) assert.equal(await peer.text({ bulk }), 'hello');
    assert.equal(way.lost, 1);
  });
});

describe('a POST', () => {
  it('goes by a fresh connection, and is never sent twice', async () => {
    const breaks: Answer = (socket) => void socket.destroy();
    await using peer = await RawPeer.start([hello, breaks, hello], { kind: 'a manifest', maxConcurrent: 4 });
    await peer.text();
    const post = { method: 'POST', body: 'grant_type=…', headers: { 'content-type': 'x' } } as const;
    await assert.rejects(peer.text(post), { code: 'UNAVAILABLE', status: 502 });
    assert.equal(await peer.text(post), 'hello');
    assert.deepEqual(
      peer.requests.map((request) => request.split(' ')[0]),
      ['GET', 'POST', 'POST'],
    );
    assert.equal(peer.sockets.length, 3);
    const [, content] = /content-length: 14\r\n\r\n(.*)$/s.exec(peer.requests[2] ?? '') ?? [];
    assert.equal(Buffer.from(content ?? '', 'latin1').toString(), 'grant_type=…');
  });
});
