import type { Exchange } from '../../http/exchange/exchange.ts';

/**
 * Was the form sent from a page of this server? Browsers say by which origin each was, and for which site (RFC 6454 section 7, Fetch Metadata): without that
 * word nobody is signed in, so that no other page can send a form in the name of its reader. Undefined: yes; else why not, in words.
 */
export function otherPage({ request: { headers } }: Exchange, publicUrl: URL): string | undefined {
  const site = headers['sec-fetch-site'];
  // `none`: the user himself, who sends it once more.
  const isOwn = site === undefined || site === 'same-origin' || site === 'none';
  if (headers.origin === publicUrl.origin && isOwn) return undefined;
  return `The form was not sent from ${publicUrl.origin}, where this page is to be opened.`;
}
