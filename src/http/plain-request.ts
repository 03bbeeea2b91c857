import type { IncomingMessage } from 'node:http';

/**
 * On these no answer to a read of a manifest or a blob depends, but that X-Request-Id comes back in it; who may have it is asked each time. Any
 * other may be a range, a condition, a body or a registry.
 */
const harmless: ReadonlySet<string> = new Set([
  ...['host', 'user-agent', 'accept', 'accept-encoding', 'accept-language', 'authorization', 'connection'],
  ...['x-request-id', 'traceparent', 'tracestate', 'docker-distribution-api-version'],
  ...['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'],
]);

/** Of a longer one the answer is not kept: its query may be anything. */
const maxTarget = 1024;

/** Is it a read whose answer its method and its target alone decide? `target`: as it was sent; the absolute form depends on the connection too. */
export function isPlain({ method, rawHeaders }: IncomingMessage, target: string): boolean {
  if ((method !== 'GET' && method !== 'HEAD') || !target.startsWith('/') || target.length > maxTarget)
    return false;
  let [hosts, credentials] = [0, 0];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    if (!harmless.has(name)) return false;
    if (name === 'host') hosts += 1;
    else if (name === 'authorization') credentials += 1;
  }
  return hosts === 1 && credentials < 2;
}
