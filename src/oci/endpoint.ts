import { RegistryError } from './error.ts';

/**
 * A request of the distribution API by its path alone (distribution-spec "Endpoints"). `name` is whatever
 * stands between `/v2/` and the endpoint's own words, decoded, not yet judged: whether its first segment is a host
 * is the server's question.
 */
export type Endpoint =
  | { readonly kind: 'version' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: string }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly digest: string }
  | { readonly kind: 'uploads'; readonly name: string };

/**
 * Reads a raw request path (no query, escapes as sent). Undefined: no endpoint of this API.
 * Throws NAME_INVALID for a broken escape, a NUL, an empty or a dot segment.
 */
export function parseEndpoint(path: string): Endpoint | undefined {
  if (path === '/v2' || path === '/v2/') return { kind: 'version' };
  if (!path.startsWith('/v2/')) return undefined;
  const segments = path.slice('/v2/'.length).split('/').map(decoded);
  const count = segments.length;
  const last = segments[count - 1] ?? '';
  const name = (words: number): string => nameOf(segments.slice(0, count - words));
  if (count === 1) return last === '_catalog' ? { kind: 'catalog' } : undefined;
  const upload = uploadsAt(segments);
  if (upload !== undefined) return { kind: 'uploads', name: nameOf(segments.slice(0, upload)) };
  switch (segments[count - 2]) {
    case 'manifests':
      return { kind: 'manifest', name: name(2), reference: last };
    case 'blobs':
      return { kind: 'blob', name: name(2), digest: last };
    case 'referrers':
      return { kind: 'referrers', name: name(2), digest: last };
    case 'tags':
      return last === 'list' ? { kind: 'tags', name: name(2) } : undefined;
    default:
      return undefined;
  }
}

/** The inverse: a path for upstream. Names, references and digests are safe in a path as they are. */
export function endpointPath(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'version':
      return '/v2/';
    case 'catalog':
      return '/v2/_catalog';
    case 'manifest':
      return `/v2/${endpoint.name}/manifests/${endpoint.reference}`;
    case 'blob':
      return `/v2/${endpoint.name}/blobs/${endpoint.digest}`;
    case 'tags':
      return `/v2/${endpoint.name}/tags/list`;
    case 'referrers':
      return `/v2/${endpoint.name}/referrers/${endpoint.digest}`;
    case 'uploads':
      return `/v2/${endpoint.name}/blobs/uploads/`;
  }
}

/** Where `blobs/uploads` begins, if the path is one of an upload's: `…/blobs/uploads/`, `…/blobs/uploads/<id>`. */
function uploadsAt(segments: readonly string[]): number | undefined {
  for (const tail of [2, 3]) {
    const at = segments.length - tail;
    if (at > 0 && segments[at] === 'blobs' && segments[at + 1] === 'uploads') return at;
  }
  return undefined;
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
