import { setTimeout } from 'node:timers/promises';
import type { Upstream } from './bench-upstream.ts';
import type { Candidate } from './candidates.ts';
import { type Address, openSocket } from './connection.ts';
import { type LargeBlob, mebibyte } from './content.ts';
import type { Contestant } from './contestant.ts';
import type { Sample } from './figures.ts';
import { blobRequest, download } from './load.ts';

const blobCount = 10;
const blobBytes = 1024 * mebibyte;
const readers = 500;
const sampleMs = 100;

/**
 * The most memory that the server holds while ten cold blobs stream to a client each, and 500 more clients hang on to them
 * that read nothing. MiB.
 */
export async function slowReaders(contestant: Contestant, upstream: Upstream): Promise<Sample> {
  await using server = await contestant.another();
  const blobs: LargeBlob[] = [];
  for (let made = 0; made < blobCount; made += 1) blobs.push(await upstream.newBlob(blobBytes));
  using stack = new DisposableStack();
  const streams = Promise.all(blobs.map(async (blob) => await download(server, blob)));
  for (let reader = 0; reader < readers; reader += 1) {
    const blob = blobs[reader % blobCount];
    if (blob !== undefined) stack.use(hangOn(server, blobRequest(server.host, blob)));
  }
  return { slowReaders: { value: await highest(server, streams) } };
}

/** Asks and never reads, so that the kernel keeps little of it and the server the rest. */
export function hangOn(server: Address, request: Buffer): Disposable {
  const socket = openSocket(server).pause();
  socket.on('error', () => {});
  socket.write(request);
  return { [Symbol.dispose]: () => socket.destroy() };
}

async function highest(server: Candidate, work: Promise<unknown>): Promise<number> {
  const over = new AbortController();
  const watched = work.finally(() => over.abort());
  let most = 0;
  while (!over.signal.aborted) {
    most = Math.max(most, server.residentMiB);
    await Promise.race([watched, setTimeout(sampleMs)]);
  }
  await watched;
  return most;
}
