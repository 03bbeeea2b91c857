/** Bytes of a Link header that are looked at. */
const maxLength = 8 * 1024;

/** Alone or among other relations, with quotes or without. */
const relNext = /;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next)\s*(?:[;,]|$)/i;

/** The target of a Link header with `rel="next"` (RFC 8288), as it stands there. */
export function nextLink(header: string | undefined): string | undefined {
  for (const [, target, params] of (header ?? '').slice(0, maxLength).matchAll(/<([^<>]*)>([^<]*)/g)) {
    if (relNext.test(params ?? '')) return target;
  }
  return undefined;
}
