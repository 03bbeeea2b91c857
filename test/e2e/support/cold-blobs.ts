import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { get as httpGet, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Digest } from '#src/oci/reference.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes } from '#test/fakes/images.ts';
import type { Fault } from '#test/fakes/upstream-answers.ts';
import { alias } from './client.ts';
import { digestOf } from './content.ts';
import { CountingLink } from './counting-link.ts';
import { Ociregistry, type Start } from './ociregistry.ts';
import { recordedBytes } from './recorded-bytes.ts';
import { until } from './until.ts';

export interface LinkedUpstream {
  /** Of the link to upstream; bytes a second. */
  readonly rate: number;
  readonly isShared?: boolean;
  /** What else is wrong with upstream. */
  readonly faults?: readonly Fault[];
  /** So many transfers of the registry run at a time. */
  readonly maxConcurrent?: number;
}

export interface ColdBlobsOptions extends LinkedUpstream {
  readonly settings?: Start['settings'];
}

/** No two upstreams of a server have the same blob: it would be had from the other. */
const blobsOfOne = 1000;

export interface ColdBlob {
  readonly digest: Digest;
  readonly bytes: Buffer;
}

export interface PartAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Did it break off? */
  readonly isCut: boolean;
}

/** The server before an upstream behind a slow link, which has blobs that nobody has asked for yet. */
export class ColdBlobs implements AsyncDisposable {
  readonly upstream: FakeUpstream;
  readonly link: CountingLink;
  readonly server: Ociregistry;
  readonly #alias: string;
  readonly #resources: AsyncDisposableStack;
  #made: number;

  private constructor(
    { upstream, link, at }: Linked,
    server: Ociregistry,
    resources = new AsyncDisposableStack(),
  ) {
    this.upstream = upstream;
    this.link = link;
    this.server = server;
    this.#alias = aliasOf(at);
    this.#made = at * blobsOfOne;
    this.#resources = resources;
  }

  static async start({ settings, ...upstream }: ColdBlobsOptions): Promise<ColdBlobs> {
    await using resources = new AsyncDisposableStack();
    const [linked, server] = await serveLinked([upstream], resources, settings);
    return new ColdBlobs(linked[0] as Linked, server, resources.move());
  }

  /** One server before several upstreams, in their order; the resources have all of it. */
  static async together(
    upstreams: readonly LinkedUpstream[],
    resources: AsyncDisposableStack,
  ): Promise<ColdBlobs[]> {
    const [linked, server] = await serveLinked(upstreams, resources);
    return linked.map((each) => new ColdBlobs(each, server));
  }

  /** A blob that the server has never heard of. */
  put(size: number, repository = 'library/app'): ColdBlob {
    this.#made += 1;
    const content = Buffer.from(bytes(size, this.#made));
    const { digest } = this.upstream.content.putBlob(this.upstream.repository(repository), content);
    return { digest, bytes: content };
  }

  urlOf({ digest }: ColdBlob, repository = 'library/app'): string {
    return `${this.server.url}/v2/${this.#alias}/${repository}/blobs/${digest}`;
  }

  async get(blob: ColdBlob, range?: string, repository?: string): Promise<PartAnswer> {
    return await readAll(await this.open(blob, range, repository));
  }

  /** The answer, on a connection of its own, of which nothing is read yet. */
  async open(blob: ColdBlob, range?: string, repository?: string): Promise<IncomingMessage> {
    const headers = range === undefined ? {} : { range };
    const request = httpGet(this.urlOf(blob, repository), { agent: false, headers });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response;
  }

  /** Waits until the blob is in the store, and says whether its bytes are right there. */
  async stores({ digest }: ColdBlob): Promise<boolean> {
    await this.server.stores(`${this.#alias}/library/app`, [digest]);
    return digestOf(await readFile(this.#fileOf(digest))) === digest;
  }

  isStored({ digest }: ColdBlob): boolean {
    return existsSync(this.#fileOf(digest));
  }

  /** Settles when upstream sends nothing of the blob any more. */
  async rests({ digest }: ColdBlob): Promise<void> {
    const isOver = async () => this.link.requests(digest).every((carried) => carried.isOver);
    await until(`upstream is done with ${digest}`, isOver);
  }

  /** How many bytes of blobs on their way are on record, for the next process to go on with. */
  async recordedBytes(): Promise<number> {
    return await recordedBytes(this.server.layout);
  }

  /** GETs of the blob that upstream was asked by, as `bytes=0-9`, or `whole`. */
  asked({ digest }: ColdBlob): string[] {
    return this.upstream.requests
      .filter(({ method, path }) => method === 'GET' && path.endsWith(digest))
      .map(({ headers }) => headers.range ?? 'whole');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  #fileOf(digest: Digest): string {
    return join(this.server.layout, 'blobs', ...digest.split(':'));
  }
}

/** An upstream behind its link, by its place among those of the server. */
interface Linked {
  readonly upstream: FakeUpstream;
  readonly link: CountingLink;
  readonly at: number;
}

function aliasOf(at: number): string {
  return at === 0 ? alias : `${alias}${at}`;
}

async function serveLinked(
  upstreams: readonly LinkedUpstream[],
  resources: AsyncDisposableStack,
  settings?: Start['settings'],
): Promise<[linked: Linked[], server: Ociregistry]> {
  const linked: Linked[] = [];
  const registries: object[] = [];
  for (const [at, { rate, isShared, faults = [], maxConcurrent = 32 }] of upstreams.entries()) {
    const upstream = resources.use(await FakeUpstream.start());
    const link = new CountingLink(rate, { isShared });
    upstream.faults.push(link.fault, ...faults);
    linked.push({ upstream, link, at });
    registries.push({
      ...{ name: upstream.host, scheme: 'http', alias: aliasOf(at), upstream: { maxConcurrent } },
    });
  }
  const server = resources.use(await Ociregistry.start({ settings: { registries, ...settings } }));
  return [linked, server];
}

export async function readAll(response: IncomingMessage): Promise<PartAnswer> {
  const chunks: Buffer[] = [];
  let isCut = false;
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch {
    isCut = true;
  }
  const { statusCode: status = 0, headers } = response;
  return { status, headers, body: Buffer.concat(chunks), isCut };
}

/** `bytes=first-last` */
export function rangeOf(first: number, last: number): string {
  return `bytes=${first}-${last}`;
}
