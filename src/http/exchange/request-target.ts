import { ownText } from '../../oci/own-text.ts';

/** Where a request goes, by its first line (RFC 9112 section 3.2). */
export interface RequestTarget {
  /** Of the absolute form, which proxies send; undefined: the target is a path. */
  readonly server: { readonly scheme: 'http' | 'https'; readonly authority: string } | undefined;
  /** Escapes as sent; see {@link cleaned}. */
  readonly path: string;
  /** Without its question mark. */
  readonly query: string;
  /** For the log: as sent, but for a password. */
  readonly shown: string;
}

/** Not by `URL`: that would resolve dot segments, and take `http:///v2/` for a host of this name. */
export function parseRequestTarget(text: string): RequestTarget {
  const [, scheme, authority = '', rest = ''] = /^(https?):\/\/([^/?#]*)(.*)$/is.exec(text) ?? [];
  if (scheme === undefined) return { server: undefined, ...parts(text, text), shown: text };
  const server = { scheme: scheme.toLowerCase() as 'http' | 'https', authority };
  const shown = `${scheme}://${authority.slice(authority.lastIndexOf('@') + 1)}${rest}`;
  return { server, ...parts(rest.startsWith('/') ? rest : `/${rest}`, text), shown };
}

function parts(text: string, whole: string): { readonly path: string; readonly query: string } {
  const mark = text.indexOf('?');
  const path = cleaned(mark === -1 ? text : text.slice(0, mark));
  // A tag or a digest of it may be kept for long, and a query has room for kilobytes.
  const own = whole.length > 2 * path.length ? ownText(path) : path;
  return { path: own, query: mark === -1 ? '' : text.slice(mark + 1) };
}

/**
 * Without the slashes that say nothing: doubled ones, and one at the end. distribution redirects to such a path (gorilla/mux
 * `StrictSlash`, and its cleaning), which some clients do not follow. Dot segments and escapes stay as they are, to be refused.
 */
function cleaned(path: string): string {
  const single = path.includes('//') ? path.replaceAll(/\/{2,}/g, '/') : path;
  return single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single;
}
