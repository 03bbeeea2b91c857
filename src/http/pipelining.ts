import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** So many requests wait for those before them, on all connections together: some 40 MB. */
const maxWaiting = 4000;
/** From so many on nothing more is read from their connection, which then does not show either that its client has left. */
const maxAhead = 32;

/** A connection on which requests wait. */
interface Line {
  waiting: number;
  isHeld: boolean;
  /** Node reads on for the body of each request, though there is none. */
  readonly holdAgain: () => void;
  readonly gone: () => void;
}

/**
 * Lets each request of a connection begin when those before it have been answered (RFC 9112 section 9.3.2): a client that sends
 * thousands ahead has one of them under way. While many wait no more are read from their connection than came in one piece; while few do it
 * is read, so that a client that leaves is seen. Where too many wait, the connection that brings more is cut: it may send them again on another.
 */
export class Pipelining {
  readonly #most: number;
  readonly #lines = new WeakMap<Socket, Line>();
  #waiting = 0;

  constructor(most = maxWaiting) {
    this.#most = most;
  }

  /** Node gives a response its socket when its turn has come; mostly that is at once. */
  taking(listener: RequestListener): RequestListener {
    return (request, response) => {
      if (response.socket === null) this.#wait(listener, request, response);
      else listener(request, response);
    };
  }

  /** Is it our doing that nothing more is read from it? */
  isHeld(socket: Socket): boolean {
    return this.#lines.get(socket)?.isHeld === true;
  }

  #wait(listener: RequestListener, request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    // What it brought with the last piece goes with it.
    if (socket.destroyed) return;
    if (this.#waiting >= this.#most) {
      socket.destroy();
      return;
    }
    const line = this.#lineOf(socket);
    line.waiting += 1;
    this.#waiting += 1;
    if (line.waiting === maxAhead) this.#hold(socket, line);
    response.once('socket', () => {
      this.#leave(socket, line, 1);
      // Not before Node has done with what it tells of here.
      process.nextTick(() => {
        if (!response.destroyed) listener(request, response);
      });
    });
  }

  #lineOf(socket: Socket): Line {
    const known = this.#lines.get(socket);
    if (known !== undefined) return known;
    const line: Line = {
      waiting: 0,
      isHeld: false,
      holdAgain: () => socket.pause(),
      gone: () => this.#leave(socket, line, line.waiting),
    };
    this.#lines.set(socket, line);
    socket.on('close', line.gone);
    return line;
  }

  /** Until all that wait have begun. */
  #hold(socket: Socket, line: Line): void {
    if (line.isHeld) return;
    line.isHeld = true;
    socket.on('resume', line.holdAgain);
    socket.pause();
  }

  #leave(socket: Socket, line: Line, count: number): void {
    line.waiting -= count;
    this.#waiting -= count;
    if (line.waiting > 0) return;
    this.#lines.delete(socket);
    socket.off('close', line.gone);
    if (!line.isHeld) return;
    socket.off('resume', line.holdAgain);
    socket.resume();
  }
}
