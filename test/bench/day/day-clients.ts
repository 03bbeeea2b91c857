import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, Connection } from '../connection.ts';
import type { LargeBlob, SmallImage } from '../content.ts';
import { download, exchange, manifestRequest } from '../load.ts';

const clients = 10;

/** An image that a day has. */
export interface DayImage extends Pick<SmallImage, 'tag' | 'manifest'> {
  readonly layers: readonly LargeBlob[];
}

/** What clients had. */
export interface Tally {
  pulls: number;
  layers: number;
  bytes: number;
  /** Other bytes, another status, a connection that broke. */
  wrong: number;
  lastWrong: unknown;
}

/** Pulls images in their order within that time, evenly; who is late goes on at once. Each byte is compared with what it must be. */
export async function pullInTime(
  server: Address,
  images: readonly DayImage[],
  forMs: number,
  tally: Tally,
): Promise<void> {
  const begunAt = performance.now();
  const queue = images.entries();
  const one = async (): Promise<void> => {
    for (const [at, image] of queue) {
      await sleep(Math.max(0, begunAt + (at / images.length) * forMs - performance.now()));
      await pull(server, image, tally);
    }
  };
  await Promise.all(Array.from({ length: clients }, one));
}

/** As `docker pull` does it: the manifest, then its layers, at the same time. */
async function pull(server: Address, image: DayImage, tally: Tally): Promise<void> {
  try {
    using connection = new Connection(server);
    const request = manifestRequest('GET', server.host, image.tag);
    await exchange(connection, { request, body: image.manifest });
    await Promise.all(
      image.layers.map(async (layer) => {
        await download(server, layer);
        tally.layers += 1;
        tally.bytes += layer.size;
      }),
    );
    tally.pulls += 1;
  } catch (error) {
    tally.wrong += 1;
    tally.lastWrong = error;
  }
}
