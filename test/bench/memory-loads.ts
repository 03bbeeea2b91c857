import type { Upstream } from './bench-upstream.ts';
import type { Candidate } from './candidates.ts';
import { type Address, Connection } from './connection.ts';
import { isPartOf, type LargeBlob, mebibyte, smallImage } from './content.ts';
import { type ListAnswers, readLists } from './list-clients.ts';
import { type ListRegistry, listKinds } from './list-registry.ts';
import { blobRequest, pullAll } from './load.ts';
import { hangOn } from './slow-readers.ts';

const blobCount = 10;
const blobBytes = 64 * mebibyte;
/** So many read, the others take nothing: what they do not take, somebody holds. */
const mostReading = 50;
/** So many read lists while others take nothing of theirs. */
const mostReadingLists = 16;
const images = 600;
const firstImage = 10_000;

/**
 * What a crowd of clients does to a server, one after another, each answer compared with what it must be, byte by byte. Throws where one is
 * wrong.
 */
export class MemoryLoads {
  readonly #server: Candidate;
  readonly #upstream: Upstream;
  readonly #lists: readonly ListRegistry[];
  readonly #clients: number;
  readonly #blobs: LargeBlob[] = [];

  constructor(server: Candidate, upstream: Upstream, lists: readonly ListRegistry[], clients: number) {
    this.#lists = lists;
    this.#server = server;
    this.#upstream = upstream;
    this.#clients = clients;
  }

  /** Large blobs that nobody has pulled: some clients read them, the others ask and take nothing. */
  async cold(): Promise<void> {
    while (this.#blobs.length < blobCount) this.#blobs.push(await this.#upstream.newBlob(blobBytes));
    await this.#upstream.takeCounts();
    await this.#readBlobs();
    this.#expect('GETs of blobs', (await this.#upstream.takeCounts())['GET large'], blobCount);
  }

  /** The same blobs again. */
  async cached(): Promise<void> {
    await this.#readBlobs();
    this.#expect('GETs of blobs', (await this.#upstream.takeCounts())['GET large'], undefined);
  }

  /** Many small images, cold and then cached. */
  async small(): Promise<void> {
    const all = Array.from({ length: images }, (_, at) => smallImage(firstImage + at));
    for (let times = 0; times < 2; times += 1) await pullAll(this.#server, all, this.#clients);
  }

  /** Lists of megabytes from four registries at a time. */
  async lists(): Promise<ListAnswers> {
    return await readLists(this.#server.host, this.#lists, this.#clients);
  }

  /** One list of each kind from each registry, which many clients want at a time. */
  async sameLists(): Promise<ListAnswers> {
    return await readLists(
      this.#server.host,
      this.#lists,
      this.#clients,
      (_, kind) => `same-${listKinds.indexOf(kind)}`,
    );
  }

  /** Each of the clients asks for a list of its own and takes nothing of it; then others read theirs all the same. */
  async slowLists(): Promise<ListAnswers> {
    using stack = new DisposableStack();
    for (let client = 0; client < this.#clients; client += 1) {
      const registry = this.#lists[client % this.#lists.length];
      const kind = listKinds[Math.floor(client / this.#lists.length) % listKinds.length];
      if (registry !== undefined && kind !== undefined)
        stack.use(
          hangOn(this.#server, listRequest(this.#server.host, registry.path(kind, `slow-${client}`))),
        );
    }
    return await readLists(this.#server.host, this.#lists, mostReadingLists, (client) => `read-${client}`);
  }

  async #readBlobs(): Promise<void> {
    using stack = new DisposableStack();
    const reading: Promise<void>[] = [];
    for (let client = 0; client < this.#clients; client += 1) {
      const blob = this.#blobs[client % blobCount];
      if (blob === undefined) continue;
      if (client < mostReading) reading.push(readBlob(this.#server, blob));
      else stack.use(hangOn(this.#server, blobRequest(this.#server.host, blob)));
    }
    await Promise.all(reading);
  }

  #expect(what: string, had: number | undefined, expected: number | undefined): void {
    if (had !== expected) throw new Error(`upstream had ${had} ${what}, and not ${expected}`);
  }
}

function listRequest(host: string, path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
}

async function readBlob(server: Address, blob: LargeBlob): Promise<void> {
  using connection = new Connection(server);
  const { status, length } = await connection.send(blobRequest(server.host, blob), (bytes, at) => {
    if (!isPartOf(blob, at, bytes)) throw new Error(`other bytes at ${at} of ${blob.digest}`);
  });
  if (status !== 200 || length !== blob.size) throw new Error(`${status}, ${length} bytes of a blob`);
}
