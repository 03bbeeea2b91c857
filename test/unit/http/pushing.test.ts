import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { Endpoints, hostedServed, served } from '#src/http/endpoints.ts';
import type { ContentEvent } from '#src/observe/content-event.ts';
import { RegistryError } from '#src/oci/error.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import type { Pushes, SentBytes } from '#src/oci/pushes.ts';
import { hostedHost, type Reference, type RepositoryName, repositoryName } from '#src/oci/reference.ts';
import type { CallOptions, Manifest } from '#src/oci/registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { HostedClient } from '#test/fakes/hosted-client.ts';
import { HostedUnderTest } from '#test/fakes/hosted-under-test.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';

const target = { livesHere: (name: string) => name.startsWith('test/') };
const endpoints = new Endpoints([...served, ...hostedServed]);
const id = '0'.repeat(32);
const path = `/v2/test/app/blobs/uploads/${id}`;

/** Reads what it is sent, or refuses it unread. */
function takesBytes(append: (bytes: SentBytes) => Promise<number>): Pushes {
  const pushes: Pick<Pushes, 'append'> = {
    append: async (_, upload, bytes) => ({ id: upload, size: await append(bytes) }),
  };
  return pushes as Pushes;
}

async function counted({ chunks }: SentBytes): Promise<number> {
  let size = 0;
  for await (const { length } of chunks) size += length;
  return size;
}

/** All that comes until the connection ends, or this text has come. */
async function until(socket: Socket, text: string): Promise<string> {
  let read = '';
  for await (const chunk of socket) {
    read += String(chunk);
    if (read.includes(text)) break;
  }
  return read;
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => {});
  return socket;
}

const patch = (length: number) => `PATCH ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;

describe('a body that clients send', () => {
  it('from which nothing comes for a minute is answered so, and what came was taken', async () => {
    const clock = new FakeClock();
    let taken = 0;
    const came = Promise.withResolvers<void>();
    const pushes = takesBytes(async ({ chunks }) => {
      for await (const { length } of chunks) {
        taken += length;
        came.resolve();
      }
      return taken;
    });
    const options = { pushes, target, endpoints, headLimit: { clock, milliseconds: 600_000 } };
    await using server = await serveRegistry(new MemoryRegistry(), options);
    const socket = await connected(server.port);
    socket.write(`${patch(1000)}some`);
    await came.promise;
    await clock.advance(59_000);
    assert.equal(socket.readableLength, 0);
    const answer = until(socket, 'minute');
    await clock.advance(61_000);
    // What is left of it is waited for a little.
    await clock.untilSleeping();
    await clock.advance(10_000);
    const text = await answer;
    assert.match(text, /^HTTP\/1\.1 408 /);
    assert.match(text, /Connection: close/i);
    assert.equal(taken, 4);
    socket.destroy();
  });

  it('leaves its memory to others when it was used', async () => {
    const left: number[] = [];
    const pushes = takesBytes(async ({ chunks, used }) => {
      const all = await Array.fromAsync(chunks);
      used?.(all);
      left.push(...all.map(({ length }) => length));
      return 0;
    });
    await using server = await serveRegistry(new MemoryRegistry(), { pushes, target, endpoints });
    const socket = await connected(server.port);
    const piece = 'x'.repeat(300_000);
    socket.write(`${patch(piece.length)}${piece}`);
    await once(socket, 'data');
    assert.ok(left.length > 1);
    assert.deepEqual(new Set(left), new Set([0]), 'each is memory of its own');
    socket.destroy();
  });

  it('that nobody reads is taken within bounds, and the connection goes on', async () => {
    const pushes = takesBytes(async () => {
      throw new RegistryError('RANGE_INVALID', 'not there', { headers: { Range: '0-0' } });
    });
    await using server = await serveRegistry(new MemoryRegistry(), { pushes, target, endpoints });
    const socket = await connected(server.port);
    for (const size of [10, 3_000_000]) {
      socket.write(`${patch(size)}${'x'.repeat(size)}`);
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      assert.match(String(chunk), /^HTTP\/1\.1 416 /);
      assert.match(String(chunk), /Location: \/v2\/test\/app\/blobs\/uploads\/0+\r/);
      assert.doesNotMatch(String(chunk), /Connection: close/i);
    }
    socket.destroy();
  });

  it('that is longer than that ends the connection, with the answer before', async () => {
    const pushes = takesBytes(async () => {
      throw new RegistryError('DENIED', 'not here');
    });
    await using server = await serveRegistry(new MemoryRegistry(), { pushes, target, endpoints });
    const socket = await connected(server.port);
    socket.write(patch(100_000_000));
    const piece = Buffer.alloc(1_000_000);
    const answer = until(socket, 'not here');
    for (let sent = 0; sent < 20 && socket.writable; sent += 1) socket.write(piece);
    const text = await answer;
    assert.match(text, /^HTTP\/1\.1 403 /);
    assert.match(text, /Connection: close/i);
    socket.destroy();
  });

  it('is called for when it is read, and its client is refused before where it is not', async () => {
    const clock = new FakeClock();
    let isRefused = false;
    const pushes = takesBytes(async (bytes) => {
      if (isRefused) throw new RegistryError('DENIED', 'not here');
      return await counted(bytes);
    });
    const headLimit = { clock, milliseconds: 600_000 };
    await using server = await serveRegistry(new MemoryRegistry(), { pushes, target, endpoints, headLimit });
    const socket = await connected(server.port);
    const expecting = patch(5).replace('Host: x', 'Host: x\r\nExpect: 100-continue');
    for (let times = 0; times < 2; times += 1) {
      socket.write(expecting);
      assert.equal(String((await once(socket, 'data'))[0]), 'HTTP/1.1 100 Continue\r\n\r\n');
      socket.write('bytes');
      const answer = String((await once(socket, 'data'))[0]);
      assert.match(answer, /^HTTP\/1\.1 202 .*Range: 0-4\r/s);
    }
    isRefused = true;
    socket.write(expecting);
    // No time passes.
    const refused = await until(socket, 'not here');
    assert.match(refused, /^HTTP\/1\.1 403 .*Connection: close\r/s);
    assert.doesNotMatch(refused, /100 Continue/);
    socket.destroy();
  });

  it('that was not waited for is taken within bounds all the same where it is refused', async () => {
    const pushes = takesBytes(async () => {
      throw new RegistryError('DENIED', 'not here');
    });
    await using server = await serveRegistry(new MemoryRegistry(), { pushes, target, endpoints });
    const socket = await connected(server.port);
    const expecting = patch(3_000_000).replace('Host: x', 'Host: x\r\nExpect: 100-continue');
    socket.write(`${expecting}${'x'.repeat(3_000_000)}`);
    assert.match(await until(socket, 'not here'), /^HTTP\/1\.1 403 /);
    socket.destroy();
  });

  it('of a request that takes none is refused', async () => {
    await using server = await serveRegistry(new MemoryRegistry(), {
      pushes: takesBytes(counted),
      target,
      endpoints,
    });
    const client = new HostedClient(server.url, 'test/app');
    const refused = await client.call('DELETE', 'manifests/v1', { body: 'x' });
    assert.equal(refused.status, 400);
  });
});

/** All that it gives may be given again. */
class StandingRegistry extends MemoryRegistry {
  override async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Manifest> {
    options?.stands?.({ holds: () => true, given() {} });
    return await super.getManifest(repository, reference);
  }
}

describe('who is told of what clients do', () => {
  it('hears of pushes, pulls and deletes, each with its request', async () => {
    const told: ContentEvent[] = [];
    const queued = (events: readonly ContentEvent[]) => ({
      operations: [],
      committed: () => void told.push(...events),
    });
    await using hosted = new HostedUnderTest({}, { queued });
    const registry = new StandingRegistry();
    const app = repositoryName(hostedHost, 'test/app');
    const tellOfPulls = (event: ContentEvent) => void told.push(event);
    const options = { pushes: hosted.pushes, target, endpoints, tellOfPulls };
    await using server = await serveRegistry(registry, options);
    const client = new HostedClient(server.url, 'test/app');
    const { digest, bytes } = await client.pushImage('v1', [Buffer.from('layer')]);
    registry.putManifest(app, 'v1' as never, bytes, ociManifest);
    for (let times = 0; times < 3; times += 1) await ask(server, '/v2/test/app/manifests/v1');
    await client.status('HEAD', 'manifests/v1');
    await client.status('DELETE', 'manifests/v1');
    await client.status('DELETE', `manifests/${digest}`);
    const shown = told.map((event) =>
      'descriptor' in event ? `${event.kind} ${event.descriptor.mediaType}` : event.kind,
    );
    const blob = 'push application/octet-stream';
    assert.deepEqual(shown, [
      blob,
      blob,
      `push ${ociManifest}`,
      ...Array(3).fill(`pull ${ociManifest}`),
      'delete',
      'delete',
    ]);
    const [first] = told;
    assert.ok(first !== undefined && 'request' in first);
    assert.deepEqual([first.request.method, first.repository], ['POST', app]);
    const last = told.at(-1);
    assert.deepEqual(last?.kind === 'delete' ? [last.digest, last.tag] : [], [digest, undefined]);
  });
});
