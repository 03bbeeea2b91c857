import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { serverKeys, TestAuthority } from '#test/fakes/certificates.ts';
import { bytes } from '#test/fakes/images.ts';
import { type Answer, closed, kinds, RawPeer, sending } from '#test/fakes/raw-peer.ts';

const hello = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const endless = 'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello';

for (const kind of kinds) {
  describe(`a connection for ${kind}`, () => {
    it('carries one request after the other', async () => {
      await using peer = await RawPeer.start([hello], { kind });
      for (let call = 0; call < 3; call += 1) assert.equal(await peer.text(), 'hello');
      assert.equal(peer.sockets.length, 1);
      assert.equal(
        peer.requests[2],
        `GET /it HTTP/1.1\r\nhost: ${peer.url.host}\r\nconnection: keep-alive\r\nuser-agent: test\r\naccept-encoding: identity\r\n\r\n`,
      );
    });

    it('is not used again after Connection: close, HTTP/1.0, a body that ended with it, or bytes behind the body', async () => {
      const last = [
        'HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 5\r\n\r\nhello',
        'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello',
        `${hello}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
        (socket: Socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\nhello'),
      ];
      for (const answer of last) {
        await using peer = await RawPeer.start([answer, hello], { kind });
        assert.equal(await peer.text(), 'hello');
        assert.equal(await peer.text(), 'hello');
        assert.equal(peer.sockets.length, 2);
      }
    });

    it('is given up when it speaks without having been asked', async () => {
      await using peer = await RawPeer.start([hello], { kind });
      await peer.text();
      peer.sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
      await closed(peer.sockets[0]);
      assert.equal(await peer.text(), 'hello');
      assert.equal(peer.sockets.length, 2);
    });

    it('that the peer closes under a request is replaced once, if it was used before', async () => {
      await using peer = await RawPeer.start([hello, (socket) => void socket.destroy(), hello], { kind });
      assert.equal(await peer.text(), 'hello');
      assert.equal(await peer.text(), 'hello');
      assert.deepEqual([peer.requests.length, peer.sockets.length], [3, 2]);
      await using fresh = await RawPeer.start([(socket) => void socket.destroy()], { kind });
      await assert.rejects(fresh.text(), { code: 'UNAVAILABLE', status: 502 });
      assert.equal(fresh.requests.length, 1);
    });

    it('is not replaced when it broke off within an answer', async () => {
      await using peer = await RawPeer.start([hello, (socket) => void socket.end('HTTP/1.1 2')], { kind });
      await peer.text();
      await assert.rejects(peer.text(), { code: 'UNAVAILABLE', status: 502 });
      assert.equal(peer.requests.length, 2);
    });

    it('is free for the next when the one before is done, failed, disposed of or aborted', async () => {
      await using peer = await RawPeer.start([endless, 'nonsense', endless, endless, hello], { kind });
      await (await peer.send())[Symbol.asyncDispose]();
      await assert.rejects(peer.text(), { code: 'UNAVAILABLE', message: /does not speak HTTP/ });
      const left = await peer.send();
      await left.body[Symbol.asyncIterator]().next();
      await left[Symbol.asyncDispose]();
      const client = new AbortController();
      await peer.send({ signal: client.signal });
      client.abort(new Error('gone'));
      assert.equal(await peer.text(), 'hello');
    });

    it('is kept when the unread rest is short', async () => {
      await using peer = await RawPeer.start([hello], { kind });
      await (await peer.send())[Symbol.asyncDispose]();
      assert.equal(await peer.text(), 'hello');
      assert.equal(peer.sockets.length, 1);
    });
  });

  describe(`a GET of ${kind}`, () => {
    it('waits for its turn, and no longer than its signal says', async () => {
      await using peer = await RawPeer.start([endless, hello], { kind });
      const first = await peer.send();
      const client = new AbortController();
      const impatient = peer.send({ signal: client.signal });
      const patient = peer.text();
      client.abort(new Error('gone'));
      await assert.rejects(impatient, /gone/);
      assert.equal(peer.requests.length, 1);
      await first[Symbol.asyncDispose]();
      assert.equal(await patient, 'hello');
    });

    it('is a time-out (504) without status line in time, and where the body stands still', async () => {
      await using silent = await RawPeer.start([() => undefined], { kind, headersTimeoutMs: 30 });
      await assert.rejects(silent.send(), { code: 'UNAVAILABLE', status: 504 });
      await using dripping = await RawPeer.start(['HTTP/1.1 200'], { kind, headersTimeoutMs: 30 });
      await assert.rejects(dripping.send(), { status: 504 });
      await using stalling = await RawPeer.start([endless], { kind, stallTimeoutMs: 30 });
      const { body } = await stalling.send();
      const read = body[Symbol.asyncIterator]();
      assert.equal((await read.next()).value?.toString(), 'hello');
      await assert.rejects(read.next(), { code: 'UND_ERR_BODY_TIMEOUT' });
    });

    it('breaks off with the signal’s reason at any moment', async () => {
      const early = new AbortController();
      await using peer = await RawPeer.start([() => early.abort(new Error('gone early')), endless], { kind });
      await assert.rejects(peer.send({ signal: early.signal }), /gone early/);
      const late = new AbortController();
      const { body } = await peer.send({ signal: late.signal });
      const read = body[Symbol.asyncIterator]();
      await read.next();
      const more = read.next();
      late.abort(new Error('gone late'));
      await assert.rejects(more, /gone late/);
      await assert.rejects(peer.send({ signal: late.signal }), /gone late/);
    });

    it('breaks off wherever it is between its turn and its answer', async () => {
      const silent: Answer = (socket, text) => void (text.startsWith('GET /it') && socket.write(hello));
      await using peer = await RawPeer.start([silent], { kind });
      for (let ticks = 0; ticks < 43; ticks += 1) {
        await peer.text();
        const client = new AbortController();
        const waiting = assert.rejects(peer.send({ target: '/silent', signal: client.signal }), /gone/);
        for (let tick = 0; tick < ticks; tick += 1) await (tick < 40 ? Promise.resolve() : setImmediate());
        client.abort(new Error('gone'));
        await waiting;
      }
    });

    it('breaks off when the transport is disposed of, also while it waits', async () => {
      await using peer = await RawPeer.start([endless], { kind });
      const { body } = await peer.send();
      const read = body[Symbol.asyncIterator]();
      await read.next();
      const more = assert.rejects(read.next());
      const waiting = assert.rejects(peer.send(), { code: 'UNAVAILABLE' });
      await peer.wire[Symbol.asyncDispose]();
      await Promise.all([more, waiting]);
      await assert.rejects(peer.send(), { code: 'UNAVAILABLE' });
    });

    it('reads no further than its reader, who may be slower than a time-out', async () => {
      const size = 32 * 1024 * 1024;
      const head = `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`;
      await using peer = await RawPeer.start([sending(head, Buffer.alloc(size))], {
        kind,
        // A busy machine may keep us from reading for some hundred milliseconds.
        stallTimeoutMs: 1500,
      });
      await using response = await peer.send();
      const read = response.body[Symbol.asyncIterator]();
      let received = (await read.next()).value?.length ?? 0;
      for (let turn = 0; turn < 40; turn += 1) {
        await setTimeout(50);
        assert.ok((peer.sockets[0]?.writableLength ?? 0) > 0, 'all of it was read');
      }
      for (let next = await read.next(); next.done !== true; next = await read.next()) {
        received += next.value.length;
        response.giveBack?.(next.value);
      }
      assert.equal(received, size);
    });

    it('over TLS goes on, and so does the next, when bytes still came after the pause', async () => {
      await using authority = await TestAuthority.create();
      const serverTls = await serverKeys(await authority.issue('localhost', 'IP:127.0.0.1'));
      const sizes = Array.from({ length: 20 }, (_, at) => 100_000 + 8192 * at);
      const answers = sizes.map((size) =>
        sending(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`, Buffer.alloc(size)),
      );
      await using peer = await RawPeer.start(answers, { kind, tls: { insecureSkipVerify: true }, serverTls });
      for (const size of sizes) {
        await using response = await peer.send({ signal: AbortSignal.timeout(4000) });
        // Time for all that fits into the queue to come, and for more to be decrypted.
        for (let turn = 0; turn < 100; turn += 1) await setImmediate();
        let received = 0;
        for await (const chunk of response.body) received += chunk.length;
        assert.equal(received, size);
      }
      assert.equal(peer.sockets.length, 1);
    });
  });
}

describe('a GET of a blob', () => {
  for (const framing of ['length', 'chunks', 'small chunks among others']) {
    it(`brings the same bytes when its memory is used again and when it is kept, by ${framing}`, async () => {
      const content = Buffer.from(bytes(6_000_000));
      await using peer = await RawPeer.start([sending(...framed(content, framing))], { kind: 'a blob' });
      const kept: Buffer[] = [];
      const returned = new Set<ArrayBuffer>();
      const isReceivedInto = ({ buffer }: Buffer) => buffer.byteLength === 256 * 1024;
      for (let round = 0; round < 4; round += 1) {
        await using response = await peer.send();
        let at = 0;
        for await (const chunk of response.body) {
          assert.ok(chunk.equals(content.subarray(at, at + chunk.length)), `other bytes at ${at}`);
          at += chunk.length;
          if (round === 1) kept.push(chunk);
          else if (isReceivedInto(chunk)) returned.add(chunk.buffer as ArrayBuffer);
          if (round !== 1) response.giveBack?.(chunk);
        }
        assert.equal(at, content.length);
      }
      assert.ok(Buffer.concat(kept).equals(content));
      // What is used again is taken from whoever had it before: a stale view is empty.
      const idle = [...returned].filter(({ detached }) => !detached);
      assert.ok(returned.size > 60 && idle.length <= 8, `${idle.length} of ${returned.size} not used again`);
    });
  }
});

function framed(content: Buffer, framing: string): (string | Buffer)[] {
  if (framing === 'length') return [`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n`, content];
  const sizes = framing === 'chunks' ? [100_000] : [20_000, 7, 300, 1000];
  const parts: Buffer[] = [Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')];
  for (let [at, count] = [0, 0]; at < content.length; count += 1) {
    const chunk = content.subarray(at, at + (sizes[count % sizes.length] ?? 1));
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
    at += chunk.length;
  }
  return [Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])];
}
