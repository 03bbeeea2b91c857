/** A day: whatever a header says, nobody waits longer for it. */
const maxSeconds = 86_400;

/**
 * Milliseconds to wait by a Retry-After header, which is seconds or an HTTP date (RFC 9110 section 10.2.3).
 * Undefined if there is none or it cannot be read.
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d{1,10}(\.\d+)?$/.test(text)) return Math.min(Number(text), maxSeconds) * 1000;
  const date = /^[A-Za-z]{3,9},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.min(Math.max(0, date - now), maxSeconds * 1000);
}

/** The header to pass on with an error: in whole seconds, if upstream's can be read. */
export function retryAfterHeader(header: string | undefined, now: number): Record<string, string> {
  const milliseconds = retryAfterMs(header, now);
  return milliseconds === undefined ? {} : { 'Retry-After': String(Math.ceil(milliseconds / 1000)) };
}
