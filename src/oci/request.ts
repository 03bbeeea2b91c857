import { RegistryError } from './error.ts';

type Read = 'GET' | 'HEAD';
type Named<Kind extends string> = { readonly kind: Kind; readonly name: string };
/** At most `n` of a list, behind `last`. */
type Page = { readonly n?: string; readonly last?: string };

/**
 * The requests of the distribution API by what is sent before any header: method, path, parameters (distribution-spec "Endpoints"; the
 * catalogue is Docker's). All is text, decoded and not yet judged: `name` is whatever stands between `/v2/` and the words of the API, and
 * whether its first segment is a host is the server's question. HEAD is wherever GET is (RFC 9110 section 9.1).
 */
export type Request =
  | { readonly kind: 'version'; readonly method: Read }
  | ({ readonly kind: 'catalog'; readonly method: Read } & Page)
  | (Named<'manifest'> & { readonly method: Read | 'PUT' | 'DELETE'; readonly reference: string })
  | (Named<'blob'> & { readonly method: Read | 'DELETE'; readonly digest: string })
  | (Named<'uploads'> & { readonly method: 'POST' } & Beginning)
  | (Named<'upload'> & {
      readonly method: Read | 'PATCH' | 'PUT' | 'DELETE';
      readonly id: string;
      readonly digest?: string;
    })
  | (Named<'tags'> & { readonly method: Read } & Page)
  | (Named<'referrers'> & {
      readonly method: Read;
      readonly digest: string;
      readonly artifactType?: string;
    });

/** An upload begins: of a blob that is perhaps in another repository already (`mount`, `from`), or comes with this request (`digest`). */
type Beginning = { readonly mount?: string; readonly from?: string; readonly digest?: string };

export type Kind = Request['kind'];
export type RequestOf<K extends Kind> = Extract<Request, { readonly kind: K }>;
export type MethodOf<K extends Kind> = RequestOf<K>['method'];
/** Those that are about a repository. */
export type NamedKind = Extract<Request, { readonly name: string }>['kind'];

/** What came: a request, if its method is one that its kind has. */
export type Asked = { [K in Kind]: Omit<RequestOf<K>, 'method'> & { readonly method: string } }[Kind];

/** What is sent behind the question mark. */
const parameters = {
  version: [],
  catalog: ['n', 'last'],
  manifest: [],
  blob: [],
  uploads: ['mount', 'from', 'digest'],
  upload: ['digest'],
  tags: ['n', 'last'],
  referrers: ['artifactType'],
} as const satisfies Readonly<Record<Kind, readonly string[]>>;

const parameterNames: ReadonlySet<string> = new Set(Object.values(parameters).flat());

/** Does some request of the API have a parameter of this name? */
export function isParameter(name: string): boolean {
  return parameterNames.has(name);
}

/**
 * Reads the parts of a request line: a raw path (escapes as sent) and the query. Undefined: the path is none of this API.
 * Throws NAME_INVALID for a broken escape, a NUL, an empty or a dot segment.
 */
export function parseRequest(method: string, path: string, query?: URLSearchParams): Asked | undefined {
  if (path === '/v2' || path === '/v2/') return { kind: 'version', method };
  if (!path.startsWith('/v2/')) return undefined;
  const segments = segmentsOf(path);
  const count = segments.length;
  const last = segments[count - 1] ?? '';
  const name = (words: number): string => nameOf(segments.slice(0, count - words));
  if (count === 1) {
    return last === '_catalog' ? { kind: 'catalog', method, ...given('catalog', query) } : undefined;
  }
  switch (segments[count - 2]) {
    case 'manifests':
      return { kind: 'manifest', method, name: name(2), reference: last };
    case 'blobs':
      if (last !== 'uploads' || count === 2) return { kind: 'blob', method, name: name(2), digest: last };
      return { kind: 'uploads', method, name: name(2), ...given('uploads', query) };
    case 'uploads':
      if (segments[count - 3] !== 'blobs' || count === 3) return undefined;
      if (last === '') return { kind: 'uploads', method, name: name(3), ...given('uploads', query) };
      return { kind: 'upload', method, name: name(3), id: last, ...given('upload', query) };
    case 'referrers':
      return { kind: 'referrers', method, name: name(2), digest: last, ...given('referrers', query) };
    case 'tags':
      return last === 'list' ? { kind: 'tags', method, name: name(2), ...given('tags', query) } : undefined;
    default:
      return undefined;
  }
}

/** The inverse, but for the method, for names, references and digests that were judged: they are safe in a path as they are. */
export function formatRequest(request: Request): { readonly path: string; readonly query: URLSearchParams } {
  const said: Readonly<Record<string, string | undefined>> = request;
  const query = new URLSearchParams();
  for (const name of parameters[request.kind]) {
    const value = said[name];
    if (value !== undefined) query.set(name, value);
  }
  return { path: pathTo(request), query };
}

function pathTo(request: Request): string {
  switch (request.kind) {
    case 'version':
      return '/v2/';
    case 'catalog':
      return '/v2/_catalog';
    case 'manifest':
      return `/v2/${request.name}/manifests/${request.reference}`;
    case 'blob':
      return `/v2/${request.name}/blobs/${request.digest}`;
    case 'uploads':
      return `/v2/${request.name}/blobs/uploads/`;
    case 'upload':
      return `/v2/${request.name}/blobs/uploads/${encodeURIComponent(request.id)}`;
    case 'tags':
      return `/v2/${request.name}/tags/list`;
    case 'referrers':
      return `/v2/${request.name}/referrers/${request.digest}`;
  }
}

/** Those of its parameters that are there; of one that is there twice the first. */
function given<K extends Kind>(
  kind: K,
  query: URLSearchParams | undefined,
): { readonly [name in (typeof parameters)[K][number]]?: string } {
  const found: { [name: string]: string } = {};
  for (const name of parameters[kind]) {
    const value = query?.get(name) ?? undefined;
    if (value !== undefined) found[name] = value;
  }
  return found as { [name in (typeof parameters)[K][number]]?: string };
}

function segmentsOf(path: string): readonly string[] {
  const segments = path.slice('/v2/'.length).split('/');
  return path.includes('%') || path.includes('\0') ? segments.map(decoded) : segments;
}

function nameOf(segments: readonly string[]): string {
  for (const segment of segments) {
    if (
      segment === '' ||
      segment === '.' ||
      segment === '..' ||
      segment.includes('/') ||
      segment.includes('\\')
    ) {
      throw new RegistryError(
        'NAME_INVALID',
        'invalid repository name: empty or dot segment, or an escaped slash',
      );
    }
  }
  return segments.join('/');
}

/** Decoded once, as RFC 3986 asks; a second layer of escapes stays and fails the grammar of names. */
function decoded(segment: string): string {
  let text: string;
  try {
    text = decodeURIComponent(segment);
  } catch (cause) {
    throw new RegistryError('NAME_INVALID', 'invalid escape in the request path', { cause });
  }
  if (text.includes('\0')) throw new RegistryError('NAME_INVALID', 'NUL in the request path');
  return text;
}
