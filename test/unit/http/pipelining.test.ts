import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { Pipelining } from '#src/http/pipelining.ts';
import { Stopping } from '#src/oci/stopping.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';
import { gate, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');

function request(path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
}

const last = 'Connection: close\r\n';

function open(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  return socket;
}

async function all(socket: Socket): Promise<string> {
  return Buffer.concat(await socket.toArray()).toString('latin1');
}

/** A listener behind turns, on a port of the system. */
async function serving(listener: (...exchange: Parameters<RequestListener>) => Promise<void>, most?: number) {
  const turns = new Pipelining(most);
  const server = createServer(turns.taking((...exchange) => void listener(...exchange)));
  const connections: Socket[] = [];
  server.on('connection', (socket) => connections.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    turns,
    connections,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The server has turned to its connections so often meanwhile. */
async function roundTrips(port: number, count = 100): Promise<void> {
  for (let left = count; left > 0; left -= 1) await (await fetch(`http://127.0.0.1:${port}/`)).text();
}

describe('requests that are sent ahead on one connection', () => {
  it('begin one by one, in their order, each when the one before was answered', async () => {
    const image = new MemoryRegistry();
    putImage(image, alpine, 'v1', []);
    const upstream = new ScriptedRegistry(image);
    await using server = await serveRegistry(upstream);
    const held = gate();
    upstream.script = async (call) => {
      if (call.endsWith(' first')) await held.wait();
    };
    const socket = open(server.port);
    const at = (tag: string): string => `/v2/docker.io/library/alpine/manifests/${tag}`;
    socket.write(request(at('first')) + request(at('v1')) + request(at('last'), last));
    const answered = all(socket);
    await held.reached;
    assert.equal((await ask(server, '/v2/')).status, 200);
    assert.deepEqual(upstream.calls, ['GET docker.io/library/alpine manifest first']);
    held.open();
    const statuses = [...(await answered).matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
    assert.deepEqual(statuses, ['404', '200', '404']);
    assert.deepEqual(
      upstream.calls.map((call) => call.split(' ').at(-1)),
      ['first', 'v1', 'last'],
    );
  });

  it('are all answered, though they come in many pieces and their answers are larger than what the network takes', async () => {
    const content = new MemoryRegistry();
    const image = putImage(content, alpine, 'v1', [bytes(300_000)]);
    await using server = await serveRegistry(content);
    const blob = `/v2/docker.io/library/alpine/blobs/${image.layers[0]?.digest}`;
    const socket = open(server.port);
    const ahead = 1000;
    socket.write(request('/v2/').repeat(ahead) + request(blob).repeat(20) + request('/v2/', last));
    const answers = await all(socket);
    assert.equal(answers.split('HTTP/1.1 200 OK').length - 1, ahead + 21);
    assert.equal(answers.split('Content-Length: 300000').length - 1, 20);
  });

  it('are not read further than what has come already, while one of them is under way', async () => {
    const begun = gate();
    const much = gate();
    let asked = 0;
    await using served = await serving(async (incoming, response) => {
      if (incoming.url === '/ahead') asked += 1;
      if (asked === 1 && incoming.url === '/ahead') await begun.wait();
      if (asked === 5000) much.open();
      response.end();
    });
    const socket = open(served.port);
    socket.resume();
    socket.write(request('/ahead').repeat(500_000));
    await begun.reached;
    await roundTrips(served.port);
    const [connection] = served.connections;
    assert.ok(connection);
    assert.ok(connection.bytesRead < 200_000, `${connection.bytesRead} bytes were read`);
    assert.equal(asked, 1);
    begun.open();
    await much.passed;
    socket.destroy();
  });

  it('are dropped at once when there are few and their client leaves, though the one under way goes on', async () => {
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const begun = gate();
      let asked = 0;
      await using served = await serving(async () => {
        asked += 1;
        await begun.wait();
      });
      const socket = open(served.port);
      socket.resume().write(request('/').repeat(20));
      await begun.reached;
      const [connection] = served.connections;
      assert.ok(connection);
      const gone = new Promise((resolve) => connection.once('close', resolve));
      socket[leave]();
      await gone;
      assert.equal(asked, 1);
    }
  });

  it('are dropped when their client leaves: none of them begins', async () => {
    const begun = gate();
    let asked = 0;
    await using served = await serving(async (_request, response) => {
      asked += 1;
      await begun.wait();
      response.end();
    }, 50);
    const socket = open(served.port);
    socket.write(request('/').repeat(40));
    await begun.reached;
    const [connection] = served.connections;
    assert.ok(connection);
    assert.equal(served.turns.isHeld(connection), true);
    const closed = new Promise((resolve) => connection.once('close', resolve));
    socket.resetAndDestroy();
    await once(socket, 'close');
    begun.open();
    await closed;
    assert.ok(asked < 5, `${asked} were begun`);
    assert.equal(served.turns.isHeld(connection), false);
    // Their places are free again.
    const other = open(served.port);
    other.write(request('/').repeat(40) + request('/', last));
    assert.equal((await all(other)).split('HTTP/1.1 200').length - 1, 41);
  });

  it('are too many: the connection that brings them is cut, and others are served', async () => {
    const begun = gate();
    await using served = await serving(async (incoming, response) => {
      if (incoming.url === '/held') await begun.wait();
      response.end();
    }, 100);
    const first = open(served.port);
    first.write(request('/held') + request('/', '').repeat(59) + request('/', last));
    await begun.reached;
    const second = open(served.port);
    second.write(request('/held') + request('/').repeat(60));
    await once(second.resume(), 'close');
    assert.equal((await fetch(`http://127.0.0.1:${served.port}/`)).status, 200);
    begun.open();
    assert.equal((await all(first)).split('HTTP/1.1 200').length - 1, 61);
  });

  it('are answered with 503 behind the one that is under way, when the server stops meanwhile', async () => {
    const content = new MemoryRegistry();
    const image = putImage(content, alpine, 'v1', [bytes(5_000_000)]);
    const upstream = new ScriptedRegistry(content);
    const half = gate();
    upstream.body = async function* (chunks) {
      await half.wait();
      yield* chunks;
    };
    let isOpen = true;
    await using server = await serveRegistry(upstream, {
      admit() {
        if (!isOpen) throw new Stopping();
      },
    });
    const blob = `/v2/docker.io/library/alpine/blobs/${image.layers[0]?.digest}`;
    const socket = open(server.port);
    socket.write(request(blob) + request(blob).repeat(10));
    await half.reached;
    isOpen = false;
    const drained = server.drain(60_000);
    half.open();
    const answers = await all(socket);
    assert.deepEqual(
      [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status),
      ['200', '503'],
    );
    await drained;
    assert.equal(upstream.calls.length, 1);
  });
});
