import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mebibyte, sha256 } from './content.ts';

/** What it gives of each kind, by the path behind the repository; a repository of any name has all of them. */
export const listKinds = ['tags/list', 'junk/tags/list', 'manifests/latest', 'referrers'] as const;
export type ListKind = (typeof listKinds)[number];

/** As many tags as fit into a page that is read in a small container. */
const tagCount = 50_000;
const tagLength = 78;
const referrersCount = 5500;
/** A manifest above so many descriptors is not looked into. */
const platformCount = 1000;

const subject = `sha256:${'a'.repeat(64)}`;
const index = 'application/vnd.oci.image.index.v1+json';

/** A registry whose lists are as large as they are read, or larger than anybody would write them. */
export class ListRegistry implements AsyncDisposable {
  readonly host: string;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<ListRegistry> {
    const server = createServer(answer);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ListRegistry(server);
  }

  /** Of a repository, as a client asks the cache for it. */
  path(kind: ListKind, repository: string): string {
    const behind = kind === 'referrers' ? `referrers/${subject}` : kind;
    return `/v2/${this.host}/${repository}/${behind}`;
  }

  /** What is wrong in an answer of 200; undefined: nothing. */
  wrongIn(kind: ListKind, repository: string, body: Buffer): string | undefined {
    const expected = bodyOf(kind, repository);
    if (kind === 'manifests/latest') return sha256(body) === sha256(expected) ? undefined : 'other bytes';
    const had = entriesIn(body);
    const wanted = kind === 'junk/tags/list' ? [] : entriesIn(expected);
    return had.join() === wanted.join() ? undefined : `${had.length} entries, and not the ${wanted.length}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function answer({ url = '', method }: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(url, 'http://upstream');
  const [, repository = '', kind = ''] =
    /^\/v2\/(.+?)\/((?:junk\/)?tags\/list|manifests|referrers)(?:\/|$)/.exec(pathname) ?? [];
  const body = kept(kind, repository);
  if (body === undefined) {
    response.writeHead(pathname === '/v2/' ? 200 : 404).end('{}');
    return;
  }
  const type = kind.endsWith('list') ? 'application/json' : index;
  const digest = kind === 'manifests' ? { 'docker-content-digest': sha256(body) } : {};
  response.writeHead(200, { 'content-type': type, 'content-length': body.length, ...digest });
  response.end(method === 'HEAD' ? undefined : body);
}

/** By what stands behind the repository. */
const bodies: Readonly<Record<string, (repository: string) => Buffer>> = {
  'tags/list': (repository) =>
    listOf(
      'tags',
      tagCount,
      (at) => `"${`${repository}.`.padEnd(tagLength - 6, 'x')}${String(at).padStart(6, '0')}"`,
    ),
  'junk/tags/list': () => Buffer.from(`{"tags":[${'"!",'.repeat(mebibyte - 8)}"!"]}`),
  manifests: (repository) => listOf('manifests', platformCount, (at) => descriptor(repository, at, 3800)),
  referrers: (repository) => listOf('manifests', referrersCount, (at) => descriptor(repository, at, 500)),
};

function bodyOf(kind: ListKind, repository: string): Buffer {
  return kept(kind === 'manifests/latest' ? 'manifests' : kind, repository) ?? Buffer.of();
}

/** Made once: who comes again and again must not cost more than the server that is measured. */
const made = new Map<string, Buffer | undefined>();

function kept(kind: string, repository: string): Buffer | undefined {
  const key = `${kind} ${kind.startsWith('junk') ? '' : repository}`;
  if (!made.has(key)) made.set(key, bodies[kind]?.(repository));
  return made.get(key);
}

/** Tags, or digests. */
function entriesIn(body: Buffer): string[] {
  const { tags = [], manifests = [] } = JSON.parse(body.toString()) as {
    tags?: string[];
    manifests?: { digest: string }[];
  };
  return [...tags, ...manifests.map(({ digest }) => digest)];
}

function listOf(name: string, count: number, entry: (at: number) => string): Buffer {
  const start = name === 'tags' ? '' : `"schemaVersion":2,"mediaType":"${index}",`;
  return Buffer.from(
    `{${start}"${name}":[${Array.from({ length: count }, (_, at) => entry(at)).join(',')}]}`,
  );
}

function descriptor(repository: string, at: number, annotated: number): string {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const digest = `sha256:${String(at).padStart(64, '0')}`;
  const annotations = { of: repository, text: 'x'.repeat(annotated) };
  return JSON.stringify({ mediaType, digest, size: 500, annotations });
}
