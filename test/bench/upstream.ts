import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type LargeBlob, largeBlob, layeredImage, type SmallImage, sha256, smallImage } from './content.ts';
import { Pace } from './pace.ts';

/**
 * The upstream of the benchmark, a process of its own: a registry whose content is made up as it is asked for, so that
 * sending it costs little. It counts, and it listens at two ports: as fast as it can, and as a line of 1 Gbit/s.
 *
 * GET /v2/bench/manifests/v<number> is a small image, `layered<number>` one of many layers, and `shared` is another name of the repository; POST /large?seed=&size= makes a large blob and answers its digest;
 * POST /counts gives the requests since the last call.
 */
const gigabit = 125_000_000;

const blobs = new Map<string, Buffer | LargeBlob>();
const manifests = new Map<string, SmallImage>();
let counts: Record<string, number> = {};

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pace: Pace | undefined,
): Promise<void> {
  const { method = '', url = '/' } = request;
  const { pathname, searchParams } = new URL(url, 'http://upstream');
  const [, kind, reference = ''] = /^\/v2\/(?:bench|shared)\/(manifests|blobs)\/(.+)$/.exec(pathname) ?? [];
  if (kind !== undefined) count(`${method} ${kind}`);
  if (pathname === '/v2/') json(response, {});
  else if (kind === 'manifests') manifest(request, response, reference);
  else if (kind === 'blobs') await blob(request, response, reference, pace);
  else if (pathname === '/large') json(response, makeLarge(searchParams));
  else if (pathname === '/counts') json(response, takeCounts());
  else response.writeHead(404).end();
}

function manifest(request: IncomingMessage, response: ServerResponse, reference: string): void {
  const image = manifests.get(reference) ?? made(reference);
  if (image === undefined) {
    response.writeHead(404).end();
    return;
  }
  const { manifest: bytes, mediaType } = image;
  response.writeHead(200, {
    'content-type': mediaType,
    'content-length': bytes.length,
    'docker-content-digest': sha256(bytes),
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function made(tag: string): SmallImage | undefined {
  const [, kind, number] = /^(v|layered)(\d+)$/.exec(tag) ?? [];
  if (kind === undefined) return undefined;
  const image = kind === 'v' ? smallImage(Number(number)) : layeredImage(Number(number));
  manifests.set(image.tag, image).set(sha256(image.manifest), image);
  for (const { digest, bytes } of image.blobs) blobs.set(digest, bytes);
  return image;
}

async function blob(
  request: IncomingMessage,
  response: ServerResponse,
  digest: string,
  pace: Pace | undefined,
): Promise<void> {
  const content = blobs.get(digest);
  if (content === undefined) {
    response.writeHead(404).end();
    return;
  }
  const size = Buffer.isBuffer(content) ? content.length : content.size;
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': size,
    'docker-content-digest': digest,
  });
  if (request.method === 'HEAD') response.end();
  else if (Buffer.isBuffer(content)) response.end(content);
  else await sendLarge(response, content, pace);
}

async function sendLarge(
  response: ServerResponse,
  { size, block }: LargeBlob,
  pace: Pace | undefined,
): Promise<void> {
  const step = pace === undefined ? block.length : block.length / 8;
  for (let at = 0; at < size && !response.destroyed; at += step) {
    const from = at % block.length;
    const chunk = block.subarray(from, from + Math.min(step, size - at));
    await pace?.pass(chunk.length);
    await new Promise((resolve) => response.write(chunk, resolve));
  }
  response.end();
}

function makeLarge(query: URLSearchParams): Pick<LargeBlob, 'digest'> {
  const made = largeBlob(Number(query.get('seed')), Number(query.get('size')));
  blobs.set(made.digest, made);
  return { digest: made.digest };
}

function count(name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function takeCounts(): Record<string, number> {
  const taken = counts;
  counts = {};
  return taken;
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function listen(pace: Pace | undefined): Promise<string> {
  // Nobody’s idle connection may close while the driver makes a blob.
  const server = createServer(
    { keepAliveTimeout: 600_000 },
    (request, response) => void answer(request, response, pace),
  );
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`)),
  );
}

console.log(`upstream ${await listen(undefined)} ${await listen(new Pace(gigabit))}`);
