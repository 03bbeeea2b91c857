/** In no URL, so it ends there; a quotation mark of the other kind and a parenthesis may be part of one. */
const end = '\\s"<>';

/** Its scheme, perhaps a user and a password, its authority, its path, and its query, or a fragment that holds what a query does. */
const url = new RegExp(
  `\\b([a-z][a-z0-9+.-]{1,20}://)(?:[^${end}/?#]*@)?([^${end}/?#@]*)([^${end}?#]*)(\\?[^${end}]+|#[^${end}=]*=[^${end}]*)?`,
  'gi',
);
/** Behind a path, or by itself. */
const query = new RegExp(`\\?(?:[^${end}=?]{0,200}=|[^${end}]{16})[^${end}]*`, 'g');
/** The names that clouds and token servers give to what is good for whoever has it. */
const name = '[\\w-]{0,40}(?:credential|key|passw(?:or)?d|policy|secret|sig|signature|token)';
/** Out of a query or a form. */
const value = new RegExp(`\\b(${name})=[^\\s"<>&,;]+`, 'gi');
/** Out of JSON, or what looks like it. */
const member = new RegExp(`((["'])${name}\\2) ?: ?(["'])(?!…)[^"']+`, 'gi');
/** As in a URL without its scheme. */
const user = /(?<![^\s"'(<])\/\/[^\s"<>/?#@]{1,500}@/g;

/**
 * A text without what makes its URLs good for whoever reads them: a user, and where there is a query that and the path, for both may be
 * signed. What is in an encoding stays. Done once more it changes nothing.
 */
export function withoutQueries(text: string): string {
  return text
    .replaceAll(url, (_whole, scheme: string, host: string, path: string, signed?: string) =>
      signed === undefined ? `${scheme}${host}${path}` : `${scheme}${host}/…`,
    )
    .replaceAll(user, '//')
    .replaceAll(query, '?…')
    .replaceAll(value, '$1=…')
    .replaceAll(member, '$1:$3…');
}
