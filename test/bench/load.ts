import { createHash } from 'node:crypto';
import { type Address, Connection, requestOf } from './connection.ts';
import { isPartOf, type LargeBlob, type SmallImage, sha256 } from './content.ts';
import { median } from './ratios.ts';

/** A request and the body that must come; undefined: none, it is a HEAD. */
export interface Expected {
  readonly request: Buffer;
  readonly body: Buffer | undefined;
}

/** `docker pull` of an image as requests: the manifest by tag, config, layers. */
export function pullOf(host: string, image: SmallImage, repository = 'bench'): Expected[] {
  return [
    { request: manifestRequest('GET', host, image.tag, repository), body: image.manifest },
    ...image.blobs.map(({ digest, bytes }) => ({
      request: requestOf('GET', host, `/v2/${repository}/blobs/${digest}`),
      body: bytes,
    })),
  ];
}

/** Sends one, and compares what comes with what must come. */
export async function exchange(connection: Connection, { request, body }: Expected): Promise<void> {
  const { status, length } = await connection.send(request, (bytes, at) => {
    if (body?.compare(bytes, 0, bytes.length, at, at + bytes.length) !== 0)
      throw wrongAnswer(request, 'other bytes');
  });
  if (status !== 200 || length !== (body?.length ?? 0))
    throw wrongAnswer(request, `${status}, ${length} bytes`);
}

/** Clients that ask without a pause for so long; each goes through the list from another place. Returns requests per second. */
export async function requestRate(
  server: Address,
  list: readonly Expected[],
  { clients, seconds }: { clients: number; seconds: number },
): Promise<{ perSecond: number; count: number }> {
  const startedAt = performance.now();
  const end = startedAt + seconds * 1000;
  const counts = await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      using connection = new Connection(server);
      let count = 0;
      for (let at = client * 7; performance.now() < end; at += 1, count += 1) {
        const next = list[at % list.length];
        if (next !== undefined) await exchange(connection, next);
      }
      return count;
    }),
  );
  const count = counts.reduce((sum, one) => sum + one, 0);
  return { count, perSecond: (count * 1000) / (performance.now() - startedAt) };
}

/**
 * All images once, by clients that take the next one as soon as they are done; `had` is told of each image that a client has.
 * Returns images per second.
 */
export async function pullAll(
  server: Address,
  images: readonly SmallImage[],
  clients: number,
  had: (image: SmallImage) => void = () => {},
): Promise<number> {
  const startedAt = performance.now();
  const queue = images.values();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      using connection = new Connection(server);
      for (const image of queue) {
        for (const expected of pullOf(server.host, image)) await exchange(connection, expected);
        had(image);
      }
    }),
  );
  return (images.length * 1000) / (performance.now() - startedAt);
}

export interface Download {
  /** All clients together. */
  readonly megabytesPerSecond: number;
  /** Of the median client, from its first request: some servers have the whole image before they answer with its manifest. Milliseconds. */
  readonly firstByteMs: number;
}

/** An image of one large layer by so many clients at a time, as they pull it: its manifest, then the blob. */
export async function pullLarge(server: Address, blob: LargeBlob, clients = 1): Promise<Download> {
  const manifest = { request: manifestRequest('GET', server.host, blob.tag), body: blob.manifest };
  return await download(server, blob, clients, async (connection) => await exchange(connection, manifest));
}

/** One blob by so many clients at a time. The first checks each byte; the rest count them. `before` is what each asks for first. */
export async function download(
  server: Address,
  blob: LargeBlob,
  clients = 1,
  before: (connection: Connection) => Promise<void> = async () => {},
): Promise<Download> {
  const request = blobRequest(server.host, blob);
  const startedAt = performance.now();
  const firstBytes = await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      using connection = new Connection(server);
      const begunAt = performance.now();
      await before(connection);
      const beforeMs = performance.now() - begunAt;
      const { status, length, firstByteMs } = await connection.send(request, (bytes, at) => {
        if (client === 0 && !isPartOf(blob, at, bytes)) throw wrongAnswer(request, 'other bytes');
      });
      if (status !== 200 || length !== blob.size) throw wrongAnswer(request, `${status}, ${length} bytes`);
      return beforeMs + firstByteMs;
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  return {
    megabytesPerSecond: (blob.size * clients) / 1e6 / seconds,
    firstByteMs: median(firstBytes),
  };
}

/** Throws when what the server has by that digest is something else. */
export async function checkDigest(server: Address, blob: LargeBlob): Promise<void> {
  using connection = new Connection(server);
  const hash = createHash('sha256');
  await connection.send(blobRequest(server.host, blob), (bytes) => hash.update(bytes));
  const digest = `sha256:${hash.digest('hex')}`;
  if (digest !== blob.digest) throw new Error(`${server.host} has other bytes as ${blob.digest}`);
}

/** Throws where a small image’s bytes do not have its digests. Comparing with them is then enough. */
export function checkImage({ blobs }: SmallImage): void {
  for (const { digest, bytes } of blobs) if (sha256(bytes) !== digest) throw new Error('a wrong image');
}

export function manifestRequest(
  method: 'GET' | 'HEAD',
  host: string,
  reference: string,
  repository = 'bench',
): Buffer {
  return requestOf(method, host, `/v2/${repository}/manifests/${reference}`);
}

export function blobRequest(host: string, { digest }: LargeBlob, repository = 'bench'): Buffer {
  return requestOf('GET', host, `/v2/${repository}/blobs/${digest}`);
}

/** What is behind that byte and the byte itself. */
export function restRequest(host: string, blob: LargeBlob, first: number): Buffer {
  const line = blobRequest(host, blob).toString('latin1').trimEnd();
  return Buffer.from(`${line}\r\nRange: bytes=${first}-\r\n\r\n`);
}

function wrongAnswer(request: Buffer, what: string): Error {
  return new Error(`wrong answer to ${request.toString('latin1').split('\r\n', 1)[0]}: ${what}`);
}
