import { ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Pipelining } from './pipelining.ts';

const statuses: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Who was refused may read the answer for so long, and need not close his side. Milliseconds. */
const lingerMs = 2000;

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
    else this.#answer(socket, statusOf(error), response);
  };

  #behindAnswers(socket: Socket, error: NodeJS.ErrnoException, response: ServerResponse): void {
    // In the middle of a request it has closed its side: it has left, as whoever does so behind one.
    if (socket.readableEnded) socket.destroy();
    else if (!this.#due.has(socket)) {
      this.#due.add(socket);
      this.#follow(socket, statusOf(error), response);
    }
  }

  /** Node has given the connection to the next response when one has finished; behind the last that it wants it has ended it. */
  #follow(socket: Socket, status: number, response: ServerResponse): void {
    response.once('finish', () => {
      const next = responseOn(socket);
      if (next !== undefined) this.#follow(socket, status, next);
      else if (socket.writable) this.#answer(socket, status, undefined);
    });
  }

  #answer(socket: Socket, status: number, response: ServerResponse | undefined): void {
    const message = STATUS_CODES[status] ?? 'Bad Request';
    const body = JSON.stringify({ errors: [{ code: 'UNSUPPORTED', message }] });
    const limit = this.#clock.after(lingerMs, () => socket.destroy());
    socket.once('close', () => limit[Symbol.dispose]());
    socket.end(
      `HTTP/1.1 ${status} ${message}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      // Whoever is about to answer on it would else wait until the client closes it.
      () => response?.destroy(),
    );
  }
}

function statusOf({ code = '' }: NodeJS.ErrnoException): number {
  return statuses[code] ?? 400;
}

/** Node keeps the response that a connection is busy with at the socket (http docs, 'clientError'). */
function responseOn(socket: Socket): ServerResponse | undefined {
  const response: unknown = Reflect.get(socket, '_httpMessage');
  return response instanceof ServerResponse ? response : undefined;
}
