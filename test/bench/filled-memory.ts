import { type Address, Connection } from './connection.ts';
import { layeredImage, smallImage, withoutBase } from './content.ts';
import { exchange, pullOf } from './load.ts';

/** As many as the server remembers of tags, and of blobs; their manifests are 70 MiB, their rows some 20 MiB of the index. */
const layeredImages = 10_000;
/** Their small blobs are 32 MiB, as that memory counts them. */
const smallImages = 4000;
const firstSmall = 1_000_000;
/** Of manifests that were there, so that their answers are kept: 16 MiB of them. */
const asked = 2500;
const clients = 32;

/**
 * Pulls images until what the server remembers of them within bounds is full: 24 MiB of manifests, 10,000 tags and blobs, 32 MiB of small blobs, 12 MiB of
 * answers, 8 MiB of the index's pages. Returns how long it took. Seconds.
 */
export async function fillMemory(server: Address): Promise<number> {
  const startedAt = performance.now();
  const layered = (number: number) => withoutBase(layeredImage(number));
  await pullEach(server, layeredImages, layered);
  await pullEach(server, smallImages, (number) => smallImage(firstSmall + number));
  await pullEach(server, asked, (number) => layered(layeredImages - 1 - number));
  return (performance.now() - startedAt) / 1000;
}

async function pullEach(
  server: Address,
  count: number,
  imageOf: (number: number) => ReturnType<typeof smallImage>,
): Promise<void> {
  const numbers = Array.from({ length: count }, (_, number) => number).values();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      using connection = new Connection(server);
      for (const number of numbers)
        for (const expected of pullOf(server.host, imageOf(number))) await exchange(connection, expected);
    }),
  );
}
