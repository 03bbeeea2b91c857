/** A Content-Range header of a 206; `size` is undefined for `*` (RFC 9110 section 14.4). */
export interface ContentRange {
  readonly first: number;
  readonly last: number;
  readonly size: number | undefined;
}

/** Undefined for what is missing, malformed, or contradicts itself. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const match = /^\s*bytes\s+(\d{1,15})-(\d{1,15})\/(?:(\d{1,15})|\*)\s*$/i.exec(header ?? '');
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2]);
  const size = match[3] === undefined ? undefined : Number(match[3]);
  return first > last || (size !== undefined && last >= size) ? undefined : { first, last, size };
}

/** A Content-Length header; undefined if it is missing or no number. */
export function parseLength(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
