import type { Exchange } from './exchange.ts';

/**
 * Answers 304 to a client that has it already, by If-None-Match (RFC 9110 section 13.1.2): true if so. The headers of the
 * whole answer are set before.
 */
export function answersNotModified({ request, response }: Exchange): boolean {
  if (!request.fresh) return false;
  response.removeHeader('Content-Type');
  response.statusCode = 304;
  response.end();
  return true;
}
