import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { http } from '../base/node-http.ts';

/** Said on a connection in the place of Node's own responses, and the last thing on it. */
export interface LastAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Who had it may read it for so long, and need not close his side. Milliseconds. */
const lingerMs = 2000;

/** Says it and closes the connection. `response`: what the connection is busy with, which says nothing any more. */
export function answerLast(
  socket: Socket,
  clock: Clock,
  { status, headers = {} }: LastAnswer,
  response?: ServerResponse,
): void {
  const message = http.STATUS_CODES[status] ?? 'Bad Request';
  const body = JSON.stringify({ errors: [{ code: 'UNSUPPORTED', message }] });
  const limit = clock.after(lingerMs, () => socket.destroy());
  socket.once('close', () => limit[Symbol.dispose]());
  const lines = [
    `HTTP/1.1 ${status} ${message}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(
    `${lines.join('\r\n')}\r\n\r\n${body}`,
    // Whoever is about to answer on it would else wait until the client closes it.
    () => response?.destroy(),
  );
}

/**
 * The same when the requests that came whole before are answered, in their order (RFC 9112 section 9.3.2); `response`: what the connection is busy
 * with. Node has given it to the next response when one has finished; behind the last that it wants it has ended it.
 */
export function answerBehind(
  socket: Socket,
  clock: Clock,
  answer: LastAnswer,
  response: ServerResponse,
): void {
  response.once('finish', () => {
    const next = responseOn(socket);
    if (next !== undefined) answerBehind(socket, clock, answer, next);
    else if (socket.writable) answerLast(socket, clock, answer);
  });
}

/** Node keeps the response that a connection is busy with at the socket (http docs, 'clientError'). */
export function responseOn(socket: Socket): ServerResponse | undefined {
  const response: unknown = Reflect.get(socket, '_httpMessage');
  return response instanceof http.ServerResponse ? response : undefined;
}
