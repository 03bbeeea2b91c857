import type { IncomingHttpHeaders } from 'node:http';
import { isIPv4, isIPv6 } from 'node:net';

/** A request as far as it tells whether a web page has made it. */
export interface Sent {
  readonly headers: IncomingHttpHeaders;
  readonly publicUrl: URL | undefined;
}

/**
 * A browser sends what any page tells it to, from inside and with what it has of us: by a form, by a picture, by a script of a name that has become
 * our address (DNS rebinding). Why this may be such a request, in words; undefined: it is none. For whoever has shown nothing.
 */
export function pageBehind({ headers, publicUrl }: Sent): string | undefined {
  const host = nameIn(headers.host);
  if (host !== undefined && !isOwn(host, publicUrl))
    return 'it names this server by a name that may be anybody’s (Host): use an IP address, localhost or publicUrl';
  if (headers.origin !== undefined) return 'a web page has sent it (Origin)';
  if (headers.referer !== undefined) return 'it comes from a web page (Referer)';
  return crossSite(headers);
}

/** The same for what a browser sends by itself to whomever it was once shown to (Basic): a page of ours may ask, no other. */
export function otherPageBehind({ headers }: Sent): string | undefined {
  const { origin, host } = headers;
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase()))
    return 'another site’s web page has sent it (Origin)';
  return crossSite(headers);
}

/** Fetch metadata: what browsers say of their own accord since 2023. */
function crossSite(headers: IncomingHttpHeaders): string | undefined {
  const site = headers['sec-fetch-site'];
  if (site === undefined) {
    const isBrowser = /^Mozilla\//.test(headers['user-agent'] ?? '');
    return isBrowser
      ? 'it comes from a browser that does not say for which site (Sec-Fetch-Site)'
      : undefined;
  }
  if (site === 'none' || site === 'same-origin') return undefined;
  return 'another site’s web page has sent it (Sec-Fetch-Site)';
}

/** Without its port. Undefined: there is none, which a browser never sends. */
function nameIn(host: string | undefined): string | undefined {
  return host?.replace(/:\d*$/, '').toLowerCase();
}

/** A page can be given no such name: an address is not looked up, and nobody else answers for `localhost`. */
function isOwn(name: string, publicUrl: URL | undefined): boolean {
  if (name === 'localhost' || isIPv4(name)) return true;
  const [, inner = ''] = /^\[([^\]]*)\]$/.exec(name) ?? [];
  return isIPv6(inner) || name === publicUrl?.hostname;
}
