import { ownText } from '../../oci/own-text.ts';
import { isParameter } from '../../oci/request.ts';

/** Where a request goes, by its first line (RFC 9112 section 3.2). */
export interface RequestTarget {
  /** Of the absolute form, which proxies send; undefined: the target is a path. */
  readonly server: { readonly scheme: 'http' | 'https'; readonly authority: string } | undefined;
  /** Escapes as sent; see {@link cleaned}. */
  readonly path: string;
  /** Without its question mark. */
  readonly query: string;
  /** For the log: as sent, but for a password, and for what of a query may be one. */
  readonly shown: string;
}

/** Not by `URL`: that would resolve dot segments, and take `http:///v2/` for a host of this name. */
export function parseRequestTarget(text: string): RequestTarget {
  const [, scheme, authority = '', rest = ''] = /^(https?):\/\/([^/?#]*)(.*)$/is.exec(text) ?? [];
  if (scheme === undefined) return { server: undefined, ...parts(text, text), shown: shownOf(text) };
  const server = { scheme: scheme.toLowerCase() as 'http' | 'https', authority };
  const shown = `${scheme}://${authority.slice(authority.lastIndexOf('@') + 1)}${shownOf(rest)}`;
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

/** What a host, a tag, a digest, a media type and a number are written with, and their escapes. */
const plain = /^[\w.:%+/,-]*$/;

/**
 * Of a query what the API gives a meaning to: `/v2/…/tags/list?n=5&…`. All else may be a token or a signature, by whatever name, or by
 * none.
 */
function shownOf(text: string): string {
  const end = text.search(/[?#]/);
  if (end === -1) return text;
  if (text[end] === '#') return `${text.slice(0, end)}#…`;
  const sent = text.slice(end + 1).split('&');
  const known = sent.filter(isKnown);
  return `${text.slice(0, end)}?${(known.length === sent.length ? known : [...known, '…']).join('&')}`;
}

function isKnown(part: string): boolean {
  const end = part.indexOf('=');
  if (end === -1) return part === '';
  const name = part.slice(0, end);
  // Besides those of the API there is `ns` (distribution-spec "Registry Proxying").
  return (name === 'ns' || isParameter(name)) && plain.test(part.slice(end + 1));
}
