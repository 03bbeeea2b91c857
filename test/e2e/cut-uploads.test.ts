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

const ways: readonly Way[] = [
  { method: 'PATCH', headers: (at, end) => [lengthOf(at, end)], framed: same },
  {
    method: 'PATCH',
    headers: (at, end) => [lengthOf(at, end), `Content-Range: ${at}-${end - 1}`],
    framed: same,
  },
  {
    method: 'PATCH',
    headers: () => ['Transfer-Encoding: chunked'],
    framed: (part) =>
      Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
  },
  { method: 'PUT', headers: (at, end) => [lengthOf(at, end)], framed: same },
];

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

describe('an upload whose connection breaks again and again', () => {
  for (const seed of [1, 2, 3])
    it(`goes on from what the server has, however it was sent (seed ${seed})`, async () => {
      await using server = await Ociregistry.start({ settings });
      const random = offsets(seed);
      const content = bytes(size, seed);
      const client = new HostedClient(server.url, 'test/cut');
      const location = await client.begin();
      const upload = new RawUpload(server, location, content);
      let acknowledged = 0;
      for (const [cut, way] of [...ways, ...ways, ...ways].entries()) {
        const at = await sizeOf(client, location);
        assert.ok(at >= acknowledged, `${at} bytes are there of ${acknowledged} that were said to be`);
        const count = Math.min(random(size / 12), size - at - 1);
        const { socket } =
          cut % 2 === 0 ? await come(client, upload, way, count) : await upload.begun(way, at, count);
        acknowledged = await sizeOf(client, location);
        if (cut % 3 === 0) socket.resetAndDestroy();
        else socket.destroy();
      }
      await assertThere(client, await finished(client, location, content), content);
    });

  it('goes on though the server was killed in between, wherever that was', async () => {
    await using server = await Ociregistry.start({ settings });
    const random = offsets(4);
    const content = bytes(size, 4);
    const location = await new HostedClient(server.url, 'test/killed').begin();
    for (const way of ways) {
      const client = new HostedClient(server.url, 'test/killed');
      const upload = new RawUpload(server, location, content);
      const at = await sizeOf(client, location);
      const count = Math.min(random(size / 4), size - at - 1);
      const { socket } = await upload.begun(way, at, count);
      const half = at + Math.floor(count / 2);
      const said = await until('some of it has come', async () => {
        const there = await sizeOf(client, location);
        return there >= half && there;
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
