import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { answerBehind, answerLast, responseOn } from './last-answer.ts';
import type { Pipelining } from './pipelining.ts';

const statuses: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** What becomes of a connection on which something came that is no HTTP, or came too slowly. */
export class Refusals {
  readonly #pipelining: Pipelining;
  readonly #clock: Clock;
  /** Those that are refused as soon as the requests which came whole are answered. */
  readonly #due = new WeakSet<Socket>();

  constructor(pipelining: Pipelining, clock: Clock) {
    this.#pipelining = pipelining;
    this.#clock = clock;
  }

  /**
   * It gets one answer and its connection is closed. Requests that came whole before it are answered first, in their order (RFC 9112 section
   * 9.3.2). In a request whose answer has begun it gets none: it would become part of that answer.
   */
  readonly refuse = (error: NodeJS.ErrnoException, socket: Socket): void => {
    // Half a request that came with whole ones, and whose rest is not read yet.
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && this.#pipelining.isHeld(socket)) return;
    // What comes behind what was refused; to close at once would take the answer back (RFC 9112 section 9.6).
    if (socket.writableEnded && error.code !== 'ECONNRESET') return;
    const response = responseOn(socket);
    if (!socket.writable || error.code === 'ECONNRESET') socket.destroy();
    else if (response?.req.complete === true) this.#behindAnswers(socket, error, response);
    else if (response?.headersSent === true) socket.destroy();
    else answerLast(socket, this.#clock, { status: statusOf(error) }, response);
  };

  #behindAnswers(socket: Socket, error: NodeJS.ErrnoException, response: ServerResponse): void {
    // In the middle of a request it has closed its side: it has left, as whoever does so behind one.
    if (socket.readableEnded) socket.destroy();
    else if (!this.#due.has(socket)) {
      this.#due.add(socket);
      answerBehind(socket, this.#clock, { status: statusOf(error) }, response);
    }
  }
}

function statusOf({ code = '' }: NodeJS.ErrnoException): number {
  return statuses[code] ?? 400;
}
