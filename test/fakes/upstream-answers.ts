import type { IncomingHttpHeaders } from 'node:http';
import { RegistryError } from '#src/oci/error.ts';
import { ociIndex } from '#src/oci/media-type.ts';
import { parseRange } from '#src/oci/range.ts';
import {
  parseDigest,
  parseReference,
  type RegistryHost,
  type RepositoryName,
  repositoryName,
} from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { type Asked, parseRequest } from '#src/oci/request.ts';

export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly host: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined;
}

/** Stands between a request and its answer: delays it, changes it, or gives another. */
export type Fault = (request: LoggedRequest, next: () => Promise<Answer>) => Promise<Answer> | Answer;

/** What a registry that does everything right answers (distribution-spec). */
export async function answerFrom(
  registry: Registry,
  host: RegistryHost,
  request: LoggedRequest,
): Promise<Answer> {
  try {
    const asked = parseRequest(request.method, request.path, new URLSearchParams(request.query));
    if (asked === undefined) throw new RegistryError('UNSUPPORTED', undefined, { status: 404 });
    if (asked.kind === 'version' || asked.kind === 'catalog') return json({});
    return await answer(registry, repositoryName(host, asked.name), asked, request);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return json(error, error.status, error.headers);
  }
}

async function answer(
  registry: Registry,
  repository: RepositoryName,
  asked: Exclude<Asked, { kind: 'version' | 'catalog' }>,
  request: LoggedRequest,
): Promise<Answer> {
  switch (asked.kind) {
    case 'manifest': {
      const { descriptor, bytes } = await registry.getManifest(repository, parseReference(asked.reference));
      return content(bytes, descriptor.mediaType, { 'Docker-Content-Digest': descriptor.digest });
    }
    case 'blob':
      return await blob(registry, repository, asked.digest, request.headers.range);
    case 'tags':
      return page(asked, (await registry.listTags(repository)).tags, request.path);
    case 'referrers': {
      const { referrers: manifests } = await registry.listReferrers(repository, parseDigest(asked.digest));
      return json({ schemaVersion: 2, mediaType: ociIndex, manifests }, 200, { 'Content-Type': ociIndex });
    }
    case 'uploads':
    case 'upload':
      throw new RegistryError('UNSUPPORTED');
  }
}

async function blob(
  registry: Registry,
  repository: RepositoryName,
  text: string,
  header: string | undefined,
): Promise<Answer> {
  const range = parseRange(header)?.[0];
  const {
    digest,
    size = 0,
    range: part,
    body,
  } = await registry.getBlob(repository, parseDigest(text), { range });
  const length = part === undefined ? size : part.last - part.first + 1;
  return {
    status: part === undefined ? 200 : 206,
    headers: {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(length),
      'Docker-Content-Digest': digest,
      'Accept-Ranges': 'bytes',
      ...(part && { 'Content-Range': `bytes ${part.first}-${part.last}/${size}` }),
    },
    body,
  };
}

/** By `n` and `last`, with a relative Link to the rest. */
function page(
  { name, n, last = '' }: Extract<Asked, { kind: 'tags' }>,
  tags: readonly string[],
  path: string,
): Answer {
  const rest = tags.filter((tag) => tag > last);
  const shown = rest.slice(0, Number(n ?? rest.length));
  const link = `<${path}?n=${n}&last=${shown.at(-1)}>; rel="next"`;
  return json({ name, tags: shown }, 200, shown.length < rest.length ? { Link: link } : {});
}

export function content(
  bytes: string | Uint8Array,
  type: string,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): Answer {
  const body = Buffer.from(bytes);
  return {
    status,
    headers: { 'Content-Type': type, 'Content-Length': String(body.length), ...headers },
    body: [body],
  };
}

export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  return content(JSON.stringify(value), 'application/json', headers, status);
}
