import type { Candidate } from './candidates.ts';
import { Connection } from './connection.ts';
import { slightImage } from './content.ts';
import { type Expected, exchange, manifestRequest } from './load.ts';
import { untilSettled } from './settled.ts';

const clients = 16;
/** Who takes longer is not waited for. Milliseconds. */
const limitMs = 600_000;

/** The manifest of a slight image, by its tag. */
export function slightPull(host: string, number: number, repository = 'bench'): Expected {
  const { tag, manifest } = slightImage(number);
  return { request: manifestRequest('GET', host, tag, repository), body: manifest };
}

/** Pulls the slight images from one number to another, and waits until the server has stored them. Returns how long clients took. Seconds. Throws where they take too long. */
export async function fillWith(
  server: Candidate,
  from: number,
  to: number,
  repositoryOf?: (number: number) => string,
): Promise<number> {
  const numbers = Array.from({ length: to - from }, (_, at) => from + at).values();
  const begunAt = performance.now();
  const one = async (): Promise<void> => {
    using connection = new Connection(server);
    for (const number of numbers) {
      if (performance.now() - begunAt > limitMs)
        throw new Error(`${to - from} manifests take longer than ${limitMs / 1000} s`);
      await exchange(connection, slightPull(server.host, number, repositoryOf?.(number)));
    }
  };
  await Promise.all(Array.from({ length: clients }, one));
  const seconds = (performance.now() - begunAt) / 1000;
  await untilSettled(server);
  return seconds;
}
