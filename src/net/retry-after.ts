/** The longest window of a limit that is known, Docker Hub's. Milliseconds. */
const maxMs = 6 * 3_600_000;
/** Taken in the place of more than that, which is a mistake: a date in seconds, a wrong clock. It would stop a day's pulls. Milliseconds. */
const insteadMs = 300_000;

/**
 * Milliseconds to wait by a Retry-After header, which is seconds or an HTTP date (RFC 9110 section 10.2.3).
 * Undefined if there is none or it cannot be read.
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d{1,10}(\.\d+)?$/.test(text)) return believed(Number(text) * 1000);
  const date = /^[A-Za-z]{3,9},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : believed(Math.max(0, date - now));
}

function believed(milliseconds: number): number {
  return milliseconds > maxMs ? insteadMs : milliseconds;
}

/** The header to pass on with an error: in whole seconds, if upstream's can be read. */
export function retryAfterHeader(header: string | undefined, now: number): Record<string, string> {
  const milliseconds = retryAfterMs(header, now);
  return milliseconds === undefined ? {} : { 'Retry-After': String(Math.ceil(milliseconds / 1000)) };
}
