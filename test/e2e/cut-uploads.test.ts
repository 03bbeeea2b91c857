import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { HostedClient, locationOf } from '#test/fakes/hosted-client.ts';
import { bytes } from '#test/fakes/images.ts';
import { digestOf } from './support/content.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { until } from './support/until.ts';

const settings = { hosted: [{ repositories: ['test/**'], open: true }] };
const size = 6_000_000;
/** So many bytes go with one write. */
const piece = 64 * 1024;

/** The same offsets for the same seed. */
function offsets(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return 1 + ((state >>> 8) % most);
  };
}

/** How a request says what it brings. */
interface Way {
  readonly method: 'PATCH' | 'PUT';
  readonly headers: (at: number, end: number) => readonly string[];
  readonly framed: (part: Uint8Array) => Uint8Array;
}

const same = (part: Uint8Array) => part;
const lengthOf = (at: number, end: number) => `Content-Length: ${end - at}`;

/** All that is left, in one PATCH. */
const rest: Way = { method: 'PATCH', headers: (at, end) => [lengthOf(at, end)], framed: same };
const chunked: Way = {
  method: 'PATCH',
  headers: () => ['Transfer-Encoding: chunked'],
  framed: (part) =>
    Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
};
/** With the request that makes it a blob. */
const last: Way = { ...rest, method: 'PUT' };
const ways: readonly Way[] = [rest, chunked, last];

/** With where it begins: what a request before it has still brought is no matter then. */
function ranged(way: Way): Way {
  return { ...way, headers: (at, end) => [...way.headers(at, end), `Content-Range: ${at}-${end - 1}`] };
}

interface Begun {
  readonly socket: Socket;
  readonly isRefused: boolean;
}

/** A client that writes bytes to a connection, and whose connection breaks. */
class RawUpload {
  readonly #server: Ociregistry;
  readonly location: string;
  readonly #content: Uint8Array;

  constructor(server: Ociregistry, location: string, content: Uint8Array) {
    this.#server = server;
    this.location = location;
    this.#content = content;
  }

  /** Announces all that is left from byte `at` on, and sends `count` bytes of it. The connection is open; who is answered is refused. */
  async begun({ method, headers, framed }: Way, at: number, count: number): Promise<Begun> {
    const { hostname, port } = new URL(this.#server.url);
    const socket = connect(Number(port), hostname);
    const begun = { socket, isRefused: false };
    socket.on('error', () => {});
    socket.on('data', () => {
      begun.isRefused = true;
    });
    await once(socket, 'connect');
    const target = method === 'PUT' ? `${this.location}?digest=${sha256(this.#content)}` : this.location;
    const lines = [`${method} ${target} HTTP/1.1`, 'Host: x', ...headers(at, this.#content.length)];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    for (let done = 0; done < count; done += piece) {
      const part = this.#content.subarray(at + done, at + Math.min(count, done + piece));
      if (!socket.write(framed(part))) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    }
    return begun;
  }
}

/** How much has come, by the server's word. */
async function sizeOf(client: HostedClient, location: string): Promise<number> {
  const answer = await client.call('GET', location);
  assert.equal(answer.status, 204, await answer.text());
  const [, last = ''] = /^0-(\d+)$/.exec(answer.headers.get('range') ?? '') ?? [];
  return Number(last) === 0 ? 0 : Number(last) + 1;
}

/** What is left, from where the server says; a request that was cut may still be writing. */
async function finished(client: HostedClient, location: string, content: Uint8Array): Promise<Response> {
  await until('the rest is taken', async () => {
    const at = await sizeOf(client, location);
    if (at === content.length) return true;
    const { status } = await client.patch(location, content.subarray(at), at);
    assert.ok([202, 409, 416].includes(status), `status ${status}`);
    return status === 202;
  });
  return await client.commit(location, sha256(content));
}

async function assertThere(client: HostedClient, response: Response, content: Uint8Array): Promise<void> {
  assert.equal(response.status, 201, await response.text());
  const got = await client.call('GET', locationOf(response));
  assert.equal(digestOf(Buffer.from(await got.arrayBuffer())), sha256(content));
}

/** Sends so many bytes more, which are there then; a request that was cut may still be writing, and refuse this one. */
async function come(client: HostedClient, upload: RawUpload, way: Way, count: number): Promise<Begun> {
  for (;;) {
    const at = await sizeOf(client, upload.location);
    const begun = await upload.begun(way, at, count);
    const isThere = async () => begun.isRefused || (await sizeOf(client, upload.location)) >= at + count;
    await until('it has come', isThere);
    if (!begun.isRefused) return begun;
    begun.socket.destroy();
  }
}

/** One upload of which the connection breaks twelve times, and that is done in the end. */
async function cutAgainAndAgain(server: Ociregistry, seed: number): Promise<void> {
  const random = offsets(seed);
  const content = bytes(size, seed);
  const client = new HostedClient(server.url, 'test/cut');
  const upload = new RawUpload(server, await client.begin(), content);
  const { location } = upload;
  let acknowledged = 0;
  const all = [...ways, ...ways].flatMap((way) => [ranged(way), way]);
  for (const [cut, way] of all.entries()) {
    const at = await sizeOf(client, location);
    assert.ok(at >= acknowledged, `${at} bytes are there of ${acknowledged} that were said to be`);
    const count = Math.min(random(size / 12), size - at - 1);
    // Of those between it is not known how much of them comes.
    const hasCome = cut % 2 === 0;
    const { socket } = hasCome ? await come(client, upload, way, count) : await upload.begun(way, at, count);
    acknowledged = await sizeOf(client, location);
    if (cut % 3 === 0) socket.resetAndDestroy();
    else socket.destroy();
  }
  await assertThere(client, await finished(client, location, content), content);
}

describe('an upload whose connection breaks again and again', () => {
  it('goes on from what the server has, however it was sent and wherever it was cut', async () => {
    await using server = await Ociregistry.start({ settings });
    await Promise.all([1, 2, 3].map(async (seed) => await cutAgainAndAgain(server, seed)));
    await server.storedDigests();
  });

  it('goes on though the server was killed in between', async () => {
    await using server = await Ociregistry.start({ settings });
    const random = offsets(4);
    const content = bytes(size, 4);
    const location = await new HostedClient(server.url, 'test/killed').begin();
    for (const way of [chunked, last]) {
      const client = new HostedClient(server.url, 'test/killed');
      const at = await sizeOf(client, location);
      const count = random(size / 3);
      const { socket } = await new RawUpload(server, location, content).begun(way, at, count);
      const said = await until('some of it has come', async () => {
        const there = await sizeOf(client, location);
        return there > at + count / 2 && there;
      });
      await server.stop('SIGKILL');
      socket.destroy();
      await server.startAgain();
      const there = await sizeOf(new HostedClient(server.url, 'test/killed'), location);
      assert.ok(there >= said && there <= at + count, `${there} of ${said} to ${at + count}`);
    }
    const client = new HostedClient(server.url, 'test/killed');
    await assertThere(client, await finished(client, location, content), content);
    await server.storedDigests();
  });
});
