import { RegistryError } from '../oci/error.ts';

/** `n` and `last` of a list request (distribution-spec "Listing Tags"). */
export interface PageRequest {
  /** Undefined: no limit. */
  readonly n: number | undefined;
  /** What the page begins behind, in ASCII order. */
  readonly last: string | undefined;
}

const maxLastLength = 512;

/** Throws PAGINATION_NUMBER_INVALID. */
export function pageRequest(query: URLSearchParams): PageRequest {
  const n = query.get('n');
  if (n !== null && !/^\d{1,9}$/.test(n)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', 'n must be a whole number, 0 or more');
  }
  const last = query.get('last') ?? '';
  if (last.length > maxLastLength) throw new RegistryError('NAME_INVALID', 'last is too long');
  return { n: n === null ? undefined : Number(n), last: last === '' ? undefined : last };
}

/**
 * The Link to the page behind `last` (RFC 8288): the request's own path and parameters, `prefix` being the path under which
 * clients reach this server.
 */
export function nextLink(prefix: string, path: string, query: URLSearchParams, last: string): string {
  const next = new URLSearchParams(query);
  next.set('last', last);
  return `<${prefix}${path}?${next}>; rel="next"`;
}
