import { RegistryError } from '../../oci/error.ts';

/** Which part of a list is wanted (distribution-spec "Listing Tags"). */
interface Page {
  /** Undefined: no limit. */
  readonly n: number | undefined;
  /** What the page begins behind, in ASCII order. */
  readonly last: string | undefined;
}

const maxLastLength = 512;

/** Throws PAGINATION_NUMBER_INVALID. */
export function pageOf({ n, last = '' }: { readonly n?: string; readonly last?: string }): Page {
  if (n !== undefined && !/^\d{1,9}$/.test(n)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', 'n must be a whole number, 0 or more');
  }
  if (last.length > maxLastLength) throw new RegistryError('NAME_INVALID', 'last is too long');
  return { n: n === undefined ? n : Number(n), last: last === '' ? undefined : last };
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
