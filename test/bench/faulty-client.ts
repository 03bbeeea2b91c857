import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, openSocket } from './connection.ts';
import type { LargeBlob } from './content.ts';
import { blobRequest } from './load.ts';

/** Milliseconds. */
const longestHold = 3000;
const pipelined = 20;

interface Target {
  readonly host: string;
  readonly blob: LargeBlob;
}

/** Says something on a connection of its own. */
type Fault = (socket: Socket, target: Target) => void;

/** What clients do that a server must bear, each in turn. The connection is torn down behind all of them. */
const faults: readonly Fault[] = [
  // Leaves in the middle of a blob.
  (socket, { host, blob }) => void socket.write(blobRequest(host, blob)),
  // Half a request.
  (socket, { host, blob }) => void socket.write(blobRequest(host, blob).subarray(0, 30)),
  // Nothing at all.
  () => undefined,
  // No HTTP.
  (socket) => void socket.write(Buffer.alloc(2000, 0xff)),
  // Much at once, of which it takes no answer.
  (socket, { host, blob }) => {
    socket.pause();
    for (let sent = 0; sent < pipelined; sent += 1) socket.write(blobRequest(host, blob));
  },
  (socket, { host }) => void socket.write(`GET /v2/bench/manifests/none HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
  (socket, { host }) => void socket.write(`GET /v2/bench/blobs/sha256:0 HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
  // More than a server reads of a head.
  (socket, { host }) =>
    void socket.write(`GET /v2/ HTTP/1.1\r\nHost: ${host}\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`),
  // A body that never comes.
  (socket, { host }) =>
    void socket.write(
      `POST /v2/bench/blobs/uploads/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\n\r\n`,
    ),
];

/** One fault after the other until the signal says so. */
export async function doWrong(
  server: Address,
  blob: LargeBlob,
  first: number,
  signal: AbortSignal,
): Promise<void> {
  for (let at = first; !signal.aborted; at += 1) {
    const socket = openSocket(server);
    socket.on('error', () => undefined).on('data', () => undefined);
    faults[at % faults.length]?.(socket, { host: server.host, blob });
    await sleep(Math.random() * longestHold, undefined, { signal }).catch(() => undefined);
    if (at % 2 === 0) socket.resetAndDestroy();
    else socket.destroy();
  }
}
