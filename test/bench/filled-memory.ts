import { type Address, Connection } from './connection.ts';
import { layeredImage, withoutBase } from './content.ts';
import { exchange, pullOf } from './load.ts';

/** As many as the server remembers of tags, and of blobs; their manifests are 70 MiB, their rows some 20 MiB of the index. */
const images = 10_000;
const clients = 32;

/**
 * Pulls images until what the server remembers of them within bounds is full: 24 MiB of manifests, 10,000 tags and blobs, 8 MiB of the
 * index's pages. Returns how long it took. Seconds.
 */
export async function fillMemory(server: Address): Promise<number> {
  const startedAt = performance.now();
  const numbers = Array.from({ length: images }, (_, number) => number).values();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      using connection = new Connection(server);
      for (const number of numbers)
        for (const expected of pullOf(server.host, withoutBase(layeredImage(number))))
          await exchange(connection, expected);
    }),
  );
  return (performance.now() - startedAt) / 1000;
}
