import type { IncomingMessage, ServerResponse } from 'node:http';

/** Requests whose clients have not been told yet to send their bodies. */
const waiting = new WeakSet<IncomingMessage>();

/**
 * For the server's event `checkContinue`: a client that waits before it sends a body (`Expect: 100-continue`, RFC 9110 section 10.1.1) is told to when
 * somebody reads it. One that is refused before is answered at once, and Node closes the connection behind that answer.
 */
export function awaitBody(request: IncomingMessage): void {
  waiting.add(request);
}

/** Does its client wait to be told to send it? Perhaps not for as long as it takes. */
export function isAwaited(request: IncomingMessage): boolean {
  return waiting.has(request) && request.readableLength === 0;
}

/** To be called before a body is read. */
export function callForBody(request: IncomingMessage, response: ServerResponse): void {
  if (waiting.delete(request) && !response.headersSent) response.writeContinue();
}
