import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';
import { gate, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const manifest = (tag: string): string => `/v2/docker.io/library/alpine/manifests/${tag}`;

function get(path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
}

const tunnel = 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n';
/** As curl --http2 and Java’s client send it. */
const h2c = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n';

function filled() {
  const content = new MemoryRegistry();
  const { layers } = putImage(content, alpine, 'v1', [bytes(5_000_000)]);
  return { content, blob: `/v2/docker.io/library/alpine/blobs/${layers[0]?.digest}` };
}

function send(port: number, text: string): Socket {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => undefined);
  socket.write(text);
  return socket;
}

/** All that the server sends before it closes its side; ours stays open. */
async function untilEnd(socket: Socket): Promise<string> {
  let answers = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (answers += chunk));
  await new Promise((resolve) => socket.once('close', resolve).once('end', resolve));
  socket.destroy();
  return answers;
}

function statusesIn(answers: string): (string | undefined)[] {
  return [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
}

describe('who asks for another protocol on a connection', { timeout: 30_000 }, () => {
  it('is refused a tunnel by one clear answer, and the connection is closed', async () => {
    await using server = await serveRegistry(new MemoryRegistry());
    const answer = await untilEnd(send(server.port, tunnel));
    assert.match(answer, /^HTTP\/1\.1 405 Method Not Allowed\r\nConnection: close\r\n/);
    assert.match(answer, /\r\nAllow: GET, HEAD\r\n.*"errors"/s);
  });

  it('is refused a tunnel behind the answers to all that was asked before', async () => {
    const { content } = filled();
    const upstream = new ScriptedRegistry(content);
    const first = gate();
    upstream.script = async (call) => {
      if (call.endsWith(' first')) await first.wait();
    };
    await using server = await serveRegistry(upstream);
    const ahead = get(manifest('first')) + get(manifest('v1')) + get('/v2/');
    const answered = untilEnd(send(server.port, ahead + tunnel + get('/v2/')));
    await first.reached;
    assert.equal((await ask(server, '/v2/')).status, 200);
    first.open();
    assert.deepEqual(statusesIn(await answered), ['404', '200', '200', '405']);
    assert.equal(upstream.calls.length, 2);
  });

  it('is given whole what was asked for before a tunnel, however slowly it is read', async () => {
    const { content, blob } = filled();
    await using server = await serveRegistry(content);
    const socket = send(server.port, get(blob) + get(blob) + tunnel);
    socket.pause();
    // By then the network takes no more of it.
    for (let count = 0; count < 100; count += 1) await ask(server, '/v2/');
    socket.resume();
    const answers = await untilEnd(socket);
    assert.deepEqual(statusesIn(answers), ['200', '200', '405']);
    assert.ok(answers.length > 10_000_000);
  });

  it('may send what it likes behind its CONNECT, with it and later, and leave', async () => {
    await using server = await serveRegistry(new MemoryRegistry());
    const withBody = tunnel.replace('Host', 'Content-Length: 1000\r\nHost');
    for (const text of [`${tunnel}hello`, withBody, `${withBody}hello`]) {
      const socket = send(server.port, text);
      await new Promise((resolve) => socket.once('readable', resolve));
      socket.write('more');
      await ask(server, '/v2/');
      socket.resetAndDestroy();
    }
    assert.equal((await ask(server, '/v2/')).status, 200);
  });

  it('has left when it closes its side while an answer is awaited, as anybody has', async () => {
    const upstream = new ScriptedRegistry(filled().content);
    const first = gate();
    upstream.script = async () => await first.wait();
    const log = new LogLines();
    await using server = await serveRegistry(upstream, { log });
    const socket = send(server.port, get(manifest('v1')));
    await first.reached;
    socket.end(tunnel);
    assert.equal(await untilEnd(socket), '');
    assert.match(log.at('info')[0] ?? '', /cut: true/);
    first.open();
  });

  it('holds up no end of the server', async () => {
    const upstream = new ScriptedRegistry(filled().content);
    const first = gate();
    upstream.script = async () => await first.wait();
    await using server = await serveRegistry(upstream);
    const answered = untilEnd(send(server.port, get(manifest('v1')) + tunnel));
    await first.reached;
    await server.drain(0);
    assert.equal(await answered, '');
    first.open();
  });

  it('is answered as others, and told that nothing behind that is answered', async () => {
    const { content } = filled();
    await using server = await serveRegistry(content);
    const text = get(manifest('v1')) + get(manifest('v1'), h2c) + get('/v2/');
    const answers = await untilEnd(send(server.port, text));
    assert.deepEqual(statusesIn(answers), ['200', '200']);
    const [first = '', second = ''] = answers.split(/(?=HTTP\/1\.1 200)/);
    assert.doesNotMatch(first, /\r\nConnection: close\r\n/);
    assert.match(second, /\r\nConnection: close\r\n/);
  });

  it('is told at once that this is no HTTP/2, behind the answers to what was asked before', async () => {
    const { content } = filled();
    await using server = await serveRegistry(content);
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    assert.deepEqual(statusesIn(await untilEnd(send(server.port, preface))), ['400']);
    const behind = await untilEnd(send(server.port, get(manifest('v1')) + preface));
    assert.deepEqual(statusesIn(behind), ['200', '400']);
  });
});
