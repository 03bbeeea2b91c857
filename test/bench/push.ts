import { type Address, Connection } from './connection.ts';
import { blocksOf, type LargeBlob, manifestType, type SmallImage, sha256 } from './content.ts';

/** What is sent of a blob. */
interface Sent {
  readonly digest: string;
  readonly size: number;
  readonly parts: Iterable<Buffer>;
}

/** All images once, by clients that take the next one as soon as they are done. Returns images per second. */
export async function pushAll(
  server: Address,
  images: readonly SmallImage[],
  clients: number,
): Promise<number> {
  const startedAt = performance.now();
  const queue = images.values();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      using connection = new Connection(server);
      for (const image of queue) await pushImage(connection, server.host, image);
    }),
  );
  return (images.length * 1000) / (performance.now() - startedAt);
}

/** Images of one large layer each, by as many clients at a time. `config` is theirs, of all. Returns megabytes per second of all together. */
export async function pushLarge(
  server: Address,
  blobs: readonly LargeBlob[],
  config: Buffer,
): Promise<number> {
  const startedAt = performance.now();
  const layers = blobs.map(async (blob) => {
    using connection = new Connection(server);
    await pushBlob(connection, server.host, { ...blob, parts: blocksOf(blob) });
    await pushBlob(connection, server.host, sentOf(config));
    await putManifest(connection, server.host, blob);
  });
  await Promise.all(layers);
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
  return bytes / 1e6 / ((performance.now() - startedAt) / 1000);
}

/** As `docker push` does it: its blobs, then the manifest by tag. */
async function pushImage(connection: Connection, host: string, image: SmallImage): Promise<void> {
  for (const { bytes } of image.blobs) await pushBlob(connection, host, sentOf(bytes));
  await putManifest(connection, host, image);
}

function sentOf(bytes: Buffer): Sent {
  return { digest: sha256(bytes), size: bytes.length, parts: [bytes] };
}

/** Asked for, and sent if it is not there: begun, sent in one piece, finished. */
async function pushBlob(connection: Connection, host: string, { digest, size, parts }: Sent): Promise<void> {
  const asked = await connection.send(head('HEAD', host, `/v2/bench/blobs/${digest}`));
  if (asked.status === 200) return;
  expect(404, asked.status, 'HEAD of a blob');
  const begun = await connection.send(head('POST', host, '/v2/bench/blobs/uploads/', { length: 0 }));
  expect(202, begun.status, 'POST of an upload');
  const to = locationIn(begun.head);
  const sent = await connection.send(head('PATCH', host, to, { length: size }), undefined, parts);
  expect(202, sent.status, 'PATCH of an upload');
  const at = locationIn(sent.head);
  const last = `${at}${at.includes('?') ? '&' : '?'}digest=${digest}`;
  expect(201, (await connection.send(head('PUT', host, last, { length: 0 }))).status, 'PUT of an upload');
}

async function putManifest(
  connection: Connection,
  host: string,
  { tag, manifest }: Pick<SmallImage, 'tag' | 'manifest'>,
): Promise<void> {
  const request = head('PUT', host, `/v2/bench/manifests/${tag}`, {
    length: manifest.length,
    type: manifestType,
  });
  expect(201, (await connection.send(request, undefined, [manifest])).status, 'PUT of a manifest');
}

function expect(wanted: number, status: number, what: string): void {
  if (status !== wanted) throw new Error(`${what}: ${status} and not ${wanted}`);
}

/** A path: some say it with their host. */
function locationIn(text: string): string {
  const [, location = ''] = /\r\nlocation: *(\S+)/i.exec(text) ?? [];
  const { pathname, search } = new URL(location, 'http://registry');
  return pathname + search;
}

function head(
  method: string,
  host: string,
  path: string,
  { length, type = 'application/octet-stream' }: { readonly length?: number; readonly type?: string } = {},
): Buffer {
  const body = length === undefined ? '' : `Content-Type: ${type}\r\nContent-Length: ${length}\r\n`;
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${body}\r\n`);
}
