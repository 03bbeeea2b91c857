import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { answerBehind, answerLast, responseOn } from './last-answer.ts';

const refusal = { status: 405, headers: { Allow: 'GET, HEAD' } };

/**
 * Who asks for another protocol on a connection. CONNECT (RFC 9110 section 9.3.6) is refused, when the requests before it are answered. An
 * Upgrade is passed over (section 7.8), and behind its answer the connection is closed: Node throws away what came in one piece with it.
 */
export class Tunnels {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** For the server's event `connect`: from here on nothing that Node does for a connection is done for this one. */
  readonly refuse = ({ socket }: IncomingMessage): void => {
    socket.on('error', () => socket.destroy());
    socket.on('timeout', () => socket.destroy());
    // What comes behind it is read and thrown away, so that a client is seen to leave.
    socket.on('end', () => {
      if (responseOn(socket) !== undefined) socket.destroy();
    });
    socket.resume();
    const response = responseOn(socket);
    if (response === undefined) answerLast(socket, this.#clock, refusal);
    else answerBehind(socket, this.#clock, refusal, response);
  };

  /** For each request, before it is answered. */
  passOver({ headers }: IncomingMessage, response: ServerResponse): void {
    if (headers.upgrade !== undefined && /\bupgrade\b/i.test(headers.connection ?? ''))
      response.shouldKeepAlive = false;
  }
}
