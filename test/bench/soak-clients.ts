import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, Connection, openSocket } from './connection.ts';
import { type LargeBlob, smallImage } from './content.ts';
import { blobRequest, exchange, pullOf, restRequest } from './load.ts';

/** What a reader takes at a time, at most a piece of its socket's; and how long it waits then. Milliseconds. */
const readPauseMs = 1000;
/** Between a client's pulls. Milliseconds. */
const pullPauseMs = 5000;
/** So many images are pulled over and over; one pull in so many is of a new one. */
const warmImages = 200;
const coldShare = 50;

/** What clients had. */
export interface Tally {
  pulls: number;
  /** Wrong bytes, another status, a connection that broke. */
  wrong: number;
  lastWrong: unknown;
  newImages: number;
}

/**
 * Reads a blob, 64 KiB a second at most, and again from its start. It begins somewhere: readers who all ended at the same time would be a
 * crowd of another kind every quarter of an hour.
 */
export async function readSlowly(server: Address, blob: LargeBlob, signal: AbortSignal): Promise<void> {
  const { host } = server;
  let request = restRequest(host, blob, Math.floor(Math.random() * blob.size));
  for (; !signal.aborted; request = blobRequest(host, blob)) {
    const socket = openSocket(server);
    const over = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const leave = () => socket.destroy();
    signal.addEventListener('abort', leave, { once: true });
    socket.on('error', () => undefined);
    socket.on('data', () => {
      socket.pause();
      setTimeout(() => socket.resume(), readPauseMs * (0.5 + Math.random())).unref();
    });
    socket.write(request);
    await over;
    signal.removeEventListener('abort', leave);
  }
}

/** Pulls small images, most of them cached, and checks each byte; holds its connection open between two pulls. */
export async function pullNowAndThen(server: Address, tally: Tally, signal: AbortSignal): Promise<void> {
  const pause = async () =>
    await sleep(pullPauseMs * 2 * Math.random(), undefined, { signal }).catch(() => undefined);
  for (await pause(); !signal.aborted; ) {
    using connection = new Connection(server);
    try {
      for (const expected of pullOf(server.host, smallImage(nextImage(tally))))
        await exchange(connection, expected);
      tally.pulls += 1;
    } catch (error) {
      tally.wrong += 1;
      tally.lastWrong = error;
    }
    await pause();
  }
}

function nextImage(tally: Tally): number {
  if ((tally.pulls + 1) % coldShare !== 0) return Math.floor(Math.random() * warmImages);
  tally.newImages += 1;
  return warmImages + tally.newImages;
}
