import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';
import { gate, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const path = '/v2/docker.io/library/alpine/manifests/v1';

/** Sends text as it is and reads until the server closes. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.write(text);
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
  await once(socket, 'close');
  return answer;
}

/** All that the server sends before it closes its side; ours stays open. */
async function untilEnd(socket: Socket): Promise<string> {
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
  await new Promise((resolve) => socket.once('end', resolve));
  return answer;
}

function open(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => undefined);
  return socket;
}

function get(at: string): string {
  return `GET ${at} HTTP/1.1\r\nHost: x\r\n\r\n`;
}

function statusesIn(answers: string): (string | undefined)[] {
  return [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
}

/** The server has seen all that was sent before. */
async function roundTrip(port: number): Promise<void> {
  await exchange(port, 'GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
}

function filled() {
  const content = new MemoryRegistry();
  const image = putImage(content, alpine, 'v1', [bytes(5_000_000)]);
  return { content, image };
}

function blobPath({ layers }: ReturnType<typeof filled>['image']): string {
  return `/v2/docker.io/library/alpine/blobs/${layers[0]?.digest}`;
}

describe('the server', () => {
  it('answers what is no HTTP with one clear 4xx and closes the connection', async () => {
    await using server = await serveRegistry(new MemoryRegistry());
    const { port } = server;
    assert.match(await exchange(port, 'hello\r\n\r\n'), /^HTTP\/1\.1 400 Bad Request\r\n.*"errors"/s);
    const long = `GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`;
    assert.match(await exchange(port, long), /^HTTP\/1\.1 431 /);
    const noHost = 'GET /v2/ HTTP/1.1\r\n\r\n';
    assert.match(await exchange(port, noHost), /^HTTP\/1\.1 400 /);
    const both =
      'GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    assert.match(await exchange(port, both), /^HTTP\/1\.1 400 /);
    assert.equal((await ask(server, '/v2/')).status, 200);
  });

  it('answers what is no HTTP behind a blob whose first bytes are awaited when the blob is out', async () => {
    const { content, image } = filled();
    const upstream = new ScriptedRegistry(content);
    const body = gate();
    upstream.body = async function* (chunks) {
      await body.wait();
      yield* chunks;
    };
    await using server = await serveRegistry(upstream);
    const socket = open(server.port);
    socket.write(`${get(blobPath(image))}hello\r\n\r\n`);
    await body.reached;
    const answered = untilEnd(socket);
    // It is refused once, however much of it comes.
    socket.write('hello\r\n\r\n');
    await roundTrip(server.port);
    body.open();
    const answers = await answered;
    socket.destroy();
    assert.deepEqual(statusesIn(answers), ['200', '400']);
    assert.equal(answers.indexOf('HTTP/1.1 400') - answers.indexOf('\r\n\r\n') - 4, 5_000_000);
  });

  it('answers what is no HTTP in the middle of an answer behind it: it would become part of that', async () => {
    const { content, image } = filled();
    const upstream = new ScriptedRegistry(content);
    const half = gate();
    upstream.body = async function* (chunks) {
      for await (const chunk of chunks) {
        yield chunk;
        await half.wait();
      }
    };
    await using server = await serveRegistry(upstream);
    const socket = open(server.port);
    socket.write(get(blobPath(image)));
    const answered = untilEnd(socket);
    await half.reached;
    socket.write('hello\r\n\r\n');
    await roundTrip(server.port);
    half.open();
    const answers = await answered;
    socket.destroy();
    assert.deepEqual(statusesIn(answers), ['200', '400']);
    assert.equal(answers.indexOf('HTTP/1.1 400') - answers.indexOf('\r\n\r\n') - 4, 5_000_000);
  });

  it('answers all requests that came whole before what is no HTTP, in their order, and then that', async () => {
    const { content } = filled();
    const upstream = new ScriptedRegistry(content);
    const first = gate();
    upstream.script = async (call) => {
      if (call.endsWith(' first')) await first.wait();
    };
    await using server = await serveRegistry(upstream);
    const socket = open(server.port);
    const answered = untilEnd(socket);
    const missing = path.replace(/v1$/, 'first');
    socket.write(`${get(missing)}${get(path)}${get(path)}hello\r\n\r\n`);
    await first.reached;
    first.open();
    const answers = await answered;
    socket.destroy();
    assert.deepEqual(statusesIn(answers), ['404', '200', '200', '400']);
    assert.equal(upstream.calls.length, 3);
  });

  it('answers what is no HTTP behind a request that asked for the end of the connection with that end', async () => {
    const { content } = filled();
    await using server = await serveRegistry(content);
    const request = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    assert.deepEqual(statusesIn(await exchange(server.port, `${request}hello\r\n\r\n`)), ['200']);
  });

  it('takes a client that closes its side behind what is no HTTP for one that has left', async () => {
    const { content, image } = filled();
    const upstream = new ScriptedRegistry(content);
    const body = gate();
    upstream.body = async function* (chunks) {
      await body.wait();
      yield* chunks;
    };
    for (const rest of ['hello\r\n\r\n', 'GET /v2/ HTTP/1.1\r\nHost']) {
      const log = new LogLines();
      await using server = await serveRegistry(upstream, { log });
      const socket = open(server.port);
      socket.write(get(blobPath(image)));
      await body.reached;
      socket.end(rest);
      assert.equal(await untilEnd(socket), '');
      await roundTrip(server.port);
      assert.match(log.at('info')[0] ?? '', /cut: true/);
    }
    body.open();
  });

  it('leaves no connection half open behind a refusal, though the client never closes its side', async () => {
    const clock = new FakeClock();
    await using server = await serveRegistry(new MemoryRegistry(), { clock });
    const socket = connect({ host: '127.0.0.1', port: server.port, allowHalfOpen: true });
    socket.on('error', () => undefined);
    socket.write('hello\r\n\r\n');
    assert.match(await untilEnd(socket), /^HTTP\/1\.1 400 /);
    await roundTrip(server.port);
    assert.deepEqual([clock.sleeping, socket.closed], [1, false]);
    await clock.advance(2000);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    // What is sent to nobody is answered with a reset, which the next one meets.
    for (let count = 0; count < 2; count += 1) {
      socket.write('still here\r\n');
      await roundTrip(server.port);
    }
    await closed;
    assert.equal(clock.sleeping, 0);
  });

  it('lets who is refused read why, though he sends on', async () => {
    const clock = new FakeClock();
    await using server = await serveRegistry(new MemoryRegistry(), { clock });
    const socket = connect({ host: '127.0.0.1', port: server.port, allowHalfOpen: true });
    socket.on('error', () => undefined);
    for (let count = 0; count < 5; count += 1) {
      socket.write('hello\r\n\r\n');
      await roundTrip(server.port);
    }
    // It is still open, and for so long.
    assert.equal(clock.sleeping, 1);
    assert.match(await untilEnd(socket), /^HTTP\/1\.1 400 /);
    socket.destroy();
  });

  it('does not let an absolute request target or a CONNECT reach anything', async () => {
    await using server = await serveRegistry(new MemoryRegistry());
    const absolute = 'GET http://169.254.169.254/v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    assert.match(await exchange(server.port, absolute), /^HTTP\/1\.1 421 /);
    assert.doesNotMatch(
      await exchange(server.port, 'CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n'),
      / 200 /,
    );
  });

  it('serves others while hundreds of requests are half sent and hundreds of readers do not read', async () => {
    const { content, image } = filled();
    await using server = await serveRegistry(content);
    const blob = `/v2/docker.io/library/alpine/blobs/${image.layers[0]?.digest}`;
    const sockets: Socket[] = [];
    const send = async (text: string): Promise<void> => {
      const socket = open(server.port);
      sockets.push(socket);
      await once(socket, 'connect');
      socket.write(text);
      socket.pause();
    };
    for (let count = 0; count < 500; count += 1) {
      await send('GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Half');
      // On loopback each of these takes 4 MB of the kernel’s memory for TCP, whose end would be the end of the test.
      if (count < 200) await send(`GET ${blob} HTTP/1.1\r\nHost: x\r\n\r\n`);
    }
    assert.equal((await ask(server, path)).status, 200);
    assert.equal((await ask(server, blob)).body.length, 5_000_000);
    for (const socket of sockets) socket.destroy();
  });

  it('takes a client that leaves in the middle for no error', async () => {
    const { content, image } = filled();
    const lines: [string, unknown][] = [];
    const left = gate();
    const note = (level: string) => (fields: Record<string, unknown>, message: string) => {
      lines.push([`${level} ${message}`, fields['failure']]);
      left.open();
    };
    const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
    await using server = await serveRegistry(content, { log });
    const socket = connect({ host: '127.0.0.1', port: server.port });
    const blob = `/v2/docker.io/library/alpine/blobs/${image.layers[0]?.digest}`;
    socket.write(`GET ${blob} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(socket, 'data');
    socket.resetAndDestroy();
    await left.passed;
    assert.deepEqual(lines, [['info request', 'the client has left']]);
  });

  it('drains: a running download ends, a new connection is refused, and then it is over', async () => {
    const { content, image } = filled();
    const upstream = new ScriptedRegistry(content);
    const half = gate();
    upstream.body = async function* (chunks) {
      let sent = 0;
      for await (const chunk of chunks) {
        yield chunk;
        sent += chunk.length;
        if (sent > 1_000_000) await half.wait();
      }
    };
    await using server = await serveRegistry(upstream);
    const { port } = server;
    const download = ask(server, `/v2/docker.io/library/alpine/blobs/${image.layers[0]?.digest}`);
    await half.reached;
    const drained = server.drain(60_000);
    await assert.rejects(ask({ port }, '/v2/'), { code: 'ECONNREFUSED' });
    half.open();
    const { body, isCut } = await download;
    assert.deepEqual([body.length, isCut], [5_000_000, false]);
    await drained;
  });

  it('drains: an answer is sent to its end, also to who reads a large one slowly', async () => {
    const content = new MemoryRegistry();
    const large = Buffer.from(JSON.stringify({ layers: [], config: {}, filler: 'x'.repeat(20_000_000) }));
    const { digest } = content.putManifest(alpine, parseTag('v1'), large, ociManifest);
    await using server = await serveRegistry(content);
    const socket = connect({ host: '127.0.0.1', port: server.port });
    socket.write(`GET /v2/docker.io/library/alpine/manifests/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(socket, 'readable');
    const drained = server.drain(60_000);
    // A few of the moments at which idle connections are looked for.
    await setTimeout(200);
    const answer = Buffer.concat(await socket.toArray());
    assert.ok(answer.subarray(answer.indexOf('\r\n\r\n') + 4).equals(large), `${answer.length}`);
    await drained;
  });

  it('cuts what has not ended when the time for draining is over', async () => {
    const { content, image } = filled();
    const upstream = new ScriptedRegistry(content);
    const stuck = gate();
    upstream.body = async function* (chunks) {
      for await (const chunk of chunks) {
        yield chunk;
        await stuck.wait();
      }
    };
    await using server = await serveRegistry(upstream);
    const download = ask(server, `/v2/docker.io/library/alpine/blobs/${image.layers[0]?.digest}`);
    await stuck.reached;
    await server.drain(0);
    assert.equal((await download).isCut, true);
    stuck.open();
  });
});
