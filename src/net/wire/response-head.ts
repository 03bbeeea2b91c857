import { errors } from '../undici-core.ts';

/** Status line and header fields of one response (RFC 9112 sections 4 and 5). */
export interface ResponseHead {
  readonly status: number;
  readonly minorVersion: 0 | 1;
  /** Lower-case names; repeated headers joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
}

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const fieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;
const onlyNumber = /^\d{1,15}$/;

/**
 * Parses a head, given as Latin-1 without its empty line. Where RFC 9112 lets a recipient repair, this refuses: folded
 * lines, a lone CR or LF, a space before the colon. Throws HTTPParserError.
 */
export function parseResponseHead(text: string): ResponseHead {
  const [first = '', ...lines] = text.split('\r\n');
  const [, minor, status] = statusLine.exec(first) ?? [];
  if (status === undefined) throw malformed('status line', 'HPE_INVALID_CONSTANT');
  const headers = parseFields(lines);
  const length = headers['content-length'];
  if (length !== undefined) headers['content-length'] = contentLength(length);
  if (length !== undefined && headers['transfer-encoding'] !== undefined) {
    throw malformed('both Content-Length and Transfer-Encoding', 'HPE_INVALID_TRANSFER_ENCODING');
  }
  return { status: Number(status), minorVersion: minor === '0' ? 0 : 1, headers };
}

/** Header or trailer fields. Throws HTTPParserError. */
export function parseFields(lines: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    const value = withoutBlanks(line.slice(colon + 1));
    if (!fieldName.test(name) || !fieldValue.test(value)) {
      throw malformed('header field', 'HPE_INVALID_HEADER_TOKEN');
    }
    fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`;
  }
  return fields;
}

/** A CR or an LF that is not half of a line's end. What belongs behind the last CR may still be on its way. */
const loneLineEnd = /\r(?!\n|$)|(?<!\r)\n/g;

/**
 * A recipient may take a bare line feed for the end of a line (RFC 9112 section 2.2); this refuses it, and before the message ends:
 * an end with CR LF would not come. Looks from `from` on. Throws HTTPParserError.
 */
export function checkLineEnds(text: string, from = 0): void {
  loneLineEnd.lastIndex = from;
  if (loneLineEnd.test(text)) throw malformed('a lone CR or LF', 'HPE_CR_EXPECTED');
}

/** What breaks the rules is never quoted: it may be a secret. */
export function malformed(what: string, code: string): Error {
  return Object.assign(new errors.HTTPParserError(`malformed response: ${what}`), { code });
}

/** Linear in its length, which no expression with two ends is. */
function withoutBlanks(text: string): string {
  let first = 0;
  let end = text.length;
  while (first < end && isBlank(text, first)) first += 1;
  while (end > first && isBlank(text, end - 1)) end -= 1;
  return text.slice(first, end);
}

function isBlank(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t';
}

/** One number, however often it is said (RFC 9112 section 6.3). */
function contentLength(value: string): string {
  const [first = '', ...others] = value.split(',').map(withoutBlanks);
  if (!onlyNumber.test(first) || others.some((other) => other !== first)) {
    throw malformed('Content-Length', 'HPE_INVALID_CONTENT_LENGTH');
  }
  return first;
}
