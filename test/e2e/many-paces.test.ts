import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent, get as tlsGet } from 'node:https';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { describe, it } from 'node:test';
import type { App } from '#src/app/app.ts';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { serverKeys, TestAuthority } from '#test/fakes/certificates.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import type { Fault } from '#test/fakes/upstream-answers.ts';
import { bodied, chunked, cutAfter, on, times } from '#test/fakes/upstream-faults.ts';
import { until } from './support/until.ts';

/** More than the sockets between a client and the server hold, so that who pauses is behind what memory holds. */
const size = 14_000_000;
const blobs = 4;

interface Reader {
  /** Of the blob; where it begins to read. */
  readonly first: number;
  /** Takes so many bytes, then waits for the fast reader of the same blob to have all. */
  readonly pausesAt?: number;
  /** Goes away after so many bytes. */
  readonly leavesAt?: number;
}

const readers: readonly Reader[] = [
  { first: 0 },
  { first: 0, pausesAt: 1 },
  { first: 0, pausesAt: 3_000_000 },
  { first: 0, leavesAt: 5_000_000 },
  { first: 1_234_567, pausesAt: 200_000 },
  { first: 0, leavesAt: 1, pausesAt: 0 },
  { first: size - 70_000 },
];

/** An upstream that sends in pieces of all sizes, sometimes without a length, and breaks off now and then. */
function faults(): readonly Fault[] {
  return [
    on('GET /v2/app/blobs/', times(blobs, cutAfter(size / 3))),
    on(/blobs.*[0-3]$/, chunked),
    on('GET /v2/app/blobs/', bodied(inPieces)),
  ];
}

async function* inPieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let length = 1;
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; at += length, length = (length * 7919 + 13) % 300_000) {
      yield chunk.subarray(at, at + length);
    }
  }
}

/** For each round: plain TCP on both sides, or TLS, which hands out bytes in its own way, or TLS through a proxy, for which Node makes the memory. */
const rounds = [
  { scheme: 'http', proxied: false },
  { scheme: 'https', proxied: false },
  { scheme: 'https', proxied: true },
] as const;

describe('many clients of many blobs at many paces', () => {
  it('each get the right bytes, and so does the disk, while memory is used again', async () => {
    await using authority = await TestAuthority.create();
    const pair = await authority.issue('localhost', 'IP:127.0.0.1');
    for (const [round, { scheme, proxied }] of rounds.entries()) {
      await using proxy = await FakeProxy.start();
      await using upstream = await FakeUpstream.start(
        scheme === 'https' ? { tls: await serverKeys(pair) } : {},
      );
      await using directory = await temporaryDirectory();
      const contents = Array.from({ length: blobs }, (_, at) =>
        Buffer.from(bytes(size, 1 + at + blobs * round)),
      );
      const { layers } = putImage(upstream.content, upstream.repository('app'), `v${round}`, contents);
      upstream.faults.push(...faults());
      await using app = await runApp({
        imagePath: directory.path,
        registries: [
          {
            name: upstream.host,
            scheme,
            alias: 'up',
            tls: { ca: authority.caFile },
            ...(proxied && { upstream: { proxy: proxy.url() } }),
          },
        ],
        ...(scheme === 'https' && { serverTlsConfig: { cert: pair.certFile, key: pair.keyFile } }),
      });
      await Promise.all(layers.map(async (layer, at) => await readAll(app, layer, contents[at] as Buffer)));
      for (const { digest } of layers) {
        await until(`${digest} is stored`, async () => await isStored(app, digest));
        assert.equal(await storedDigest(directory.path, digest), digest);
      }
      assert.equal(proxy.accepted > 0, proxied);
    }
  });
});

async function readAll(app: App, { digest }: Descriptor, content: Buffer): Promise<void> {
  const fast = Promise.withResolvers<void>();
  await Promise.all(
    readers.map(async (reader, index) => {
      await using agent = oneUse(app);
      const response = await ask(app, digest, reader.first, agent.agent);
      await compare(response, content, reader, fast.promise);
      if (index === 0) fast.resolve();
    }),
  ).finally(fast.resolve);
}

function oneUse({ server }: App) {
  const agent = server.url.startsWith('https:')
    ? new TlsAgent({ keepAlive: false, rejectUnauthorized: false })
    : new Agent({ keepAlive: false });
  return { agent, [Symbol.asyncDispose]: async () => agent.destroy() };
}

async function ask(app: App, digest: string, first: number, agent: Agent): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = first === 0 ? {} : { Range: `bytes=${first}-` };
  const send = agent instanceof TlsAgent ? tlsGet : get;
  send(`${app.server.url}/v2/up/app/blobs/${digest}`, { agent, headers }, resolve).on('error', reject);
  return await promise;
}

async function compare(
  response: IncomingMessage,
  content: Buffer,
  { first, pausesAt, leavesAt }: Reader,
  allRead: Promise<void>,
): Promise<void> {
  // A range of a blob whose size nobody has said yet is the whole.
  let at = response.statusCode === 206 ? first : 0;
  const begun = at;
  let paused = false;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    assert.ok(chunk.equals(content.subarray(at, at + chunk.length)), `other bytes at ${at}`);
    at += chunk.length;
    if (!paused && pausesAt !== undefined && at - begun >= pausesAt) await allRead;
    paused ||= pausesAt !== undefined && at - begun >= pausesAt;
    if (leavesAt !== undefined && at - begun >= leavesAt) return;
  }
  assert.equal(at, content.length);
}

async function isStored(app: App, digest: string): Promise<boolean> {
  await using agent = oneUse(app);
  const response = await ask(app, digest, 0, agent.agent);
  response.destroy();
  return response.headers['cache-status'] === 'ociregistry; hit';
}

async function storedDigest(directory: string, digest: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(join(directory, 'v1', 'blobs', ...digest.split(':'))), hash);
  return `sha256:${hash.digest('hex')}`;
}
