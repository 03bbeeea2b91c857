import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  emptyConfig,
  type LargeBlob,
  largeBlob,
  layeredImage,
  layersImage,
  manifestType,
  type SmallImage,
  sha256,
  slightImage,
  smallImage,
} from './content.ts';
import { Pace } from './pace.ts';

/**
 * The upstream of the benchmark, a process of its own: a registry whose content is made up as it is asked for, so that
 * sending it costs little. It counts, and it listens at three ports: as fast as it can, as a line of 1 Gbit/s, and for the driver. With two
 * arguments, the files of a certificate and its key, the first two speak TLS.
 *
 * Any repository has all of it. GET /v2/<name>/manifests/v<number> is a small image, `layered<number>` one of many layers, `slight<number>` one of blobs that
 * all of these have, `large<seed>` that of a large blob; /v2/many<count>/tags/list has so many tags, slight ones. For the driver: POST /large?seed=&size=&block= makes a large blob
 * and answers its digest; POST /image?tag=&layer=&layer=… an image of such blobs, and answers that of its manifest; POST /counts gives the requests since the last call, and the
 * bytes of large blobs that were sent.
 */
const gigabit = 125_000_000;

const blobs = new Map<string, Buffer | LargeBlob>([[sha256(emptyConfig), emptyConfig]]);
const manifests = new Map<string, Pick<SmallImage, 'manifest' | 'blobs'>>();
/** Of slight images: a hundred thousand manifests would be more than the upstream should hold. */
const slight = new Map<string, number>();
let counts: Record<string, number> = {};

async function answer(
  { method = '', url = '/' }: IncomingMessage,
  response: ServerResponse,
  pace: Pace | undefined,
): Promise<void> {
  const { pathname } = new URL(url, 'http://upstream');
  const [, name = '', kind, reference = ''] =
    /^\/v2\/(\w+)\/(manifests|blobs|tags)\/(.+)$/.exec(pathname) ?? [];
  if (kind !== undefined) count(`${method} ${isLarge(reference) ? 'large' : kind}`);
  if (pathname === '/v2/') json(response, {});
  else if (kind === 'tags') json(response, { name, tags: tagsOf(name) });
  else if (kind === 'manifests') manifest(method, response, reference);
  else if (kind === 'blobs') await blob(method, response, reference, pace);
  else response.writeHead(404).end();
}

/** What the driver asks for. */
function control({ url = '/' }: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(url, 'http://upstream');
  if (pathname === '/large') json(response, makeLarge(searchParams));
  else if (pathname === '/image') json(response, makeImage(searchParams));
  else if (pathname === '/counts') json(response, takeCounts());
  else response.writeHead(404).end();
}

function tagsOf(repository: string): string[] {
  const many = Number(/^many(\d+)$/.exec(repository)?.[1] ?? 0);
  return Array.from({ length: many }, (_, at) => `slight${at}`);
}

function manifest(method: string, response: ServerResponse, reference: string): void {
  const bytes = manifestBy(reference);
  if (bytes === undefined) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    'content-type': manifestType,
    'content-length': bytes.length,
    'docker-content-digest': sha256(bytes),
  });
  response.end(method === 'HEAD' ? undefined : bytes);
}

function manifestBy(reference: string): Buffer | undefined {
  const number = slight.get(reference) ?? /^slight(\d+)$/.exec(reference)?.[1];
  if (number !== undefined) return slightManifest(Number(number));
  return (manifests.get(reference) ?? made(reference))?.manifest;
}

function slightManifest(number: number): Buffer {
  const image = slightImage(number);
  slight.set(sha256(image.manifest), number);
  keep(image.blobs);
  return image.manifest;
}

function made(tag: string): SmallImage | undefined {
  const [, kind, number] = /^(v|layered)(\d+)$/.exec(tag) ?? [];
  if (kind === undefined) return undefined;
  const image = kind === 'v' ? smallImage(Number(number)) : layeredImage(Number(number));
  manifests.set(image.tag, image).set(sha256(image.manifest), image);
  keep(image.blobs);
  return image;
}

function keep(some: SmallImage['blobs']): void {
  for (const { digest, bytes } of some) blobs.set(digest, bytes);
}

async function blob(
  method: string,
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
  if (method === 'HEAD') response.end();
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
    count('large bytes', chunk.length);
  }
  response.end();
}

function makeLarge(query: URLSearchParams): Pick<LargeBlob, 'digest'> {
  const block = query.get('block');
  const made = largeBlob(
    ...([Number(query.get('seed')), Number(query.get('size'))] as const),
    block === null ? undefined : Number(block),
  );
  blobs.set(made.digest, made);
  const image = { manifest: made.manifest, blobs: [] };
  manifests.set(made.tag, image).set(sha256(made.manifest), image);
  return { digest: made.digest };
}

function makeImage(query: URLSearchParams): { readonly digest: string } {
  const layers = query.getAll('layer').map((digest) => {
    const layer = blobs.get(digest);
    if (layer === undefined || Buffer.isBuffer(layer)) throw new Error(`nobody made ${digest}`);
    return { digest, size: layer.size };
  });
  const { tag, manifest } = layersImage(query.get('tag') ?? '', layers);
  const [image, digest] = [{ manifest, blobs: [] }, sha256(manifest)];
  manifests.set(tag, image).set(digest, image);
  return { digest };
}

function isLarge(digest: string): boolean {
  const content = blobs.get(digest);
  return content !== undefined && !Buffer.isBuffer(content);
}

function count(name: string, more = 1): void {
  counts[name] = (counts[name] ?? 0) + more;
}

function takeCounts(): Record<string, number> {
  const taken = counts;
  counts = {};
  return taken;
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Nobody’s idle connection may close while the driver makes a blob. */
const options = { keepAliveTimeout: 600_000 };

const [certFile, keyFile] = process.argv.slice(2);

function registryServer(answers: Answer) {
  if (certFile === undefined || keyFile === undefined) return createServer(options, answers);
  return createTlsServer({ ...options, cert: readFileSync(certFile), key: readFileSync(keyFile) }, answers);
}

function listen(server: ReturnType<typeof registryServer>): Promise<string> {
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`)),
  );
}

async function listenAs(pace: Pace | undefined): Promise<string> {
  return await listen(registryServer((request, response) => void answer(request, response, pace)));
}

const hosts = [
  await listenAs(undefined),
  await listenAs(new Pace(gigabit)),
  await listen(createServer(options, control)),
];
console.log(`upstream ${hosts.join(' ')}`);
