import type { Upstream } from './bench-upstream.ts';
import { type Address, Connection } from './connection.ts';
import type { LargeBlob } from './content.ts';
import type { Contestant } from './contestant.ts';
import type { Sample } from './figures.ts';
import { blobRequest } from './load.ts';

const layers = 100;
const layerStep = 64 * 1024;
/** As containerd fetches an image. */
const connections = 3;

/** Two nodes pull two cold images with the same layers at once. How many answers are not 200, or break off. */
export async function shared(contestant: Contestant, upstream: Upstream): Promise<Sample> {
  const server = await contestant.as('fast');
  const blobs: LargeBlob[] = [];
  for (let at = 0; at < layers; at += 1) blobs.push(await upstream.newBlob(layerStep * (1 + (at % 16))));
  const wrong = await Promise.all(['bench', 'shared'].map(async (name) => await pull(server, name, blobs)));
  return { shared: { value: wrong.reduce((sum, one) => sum + one, 0) } };
}

async function pull(server: Address, repository: string, blobs: readonly LargeBlob[]): Promise<number> {
  const queue = blobs.values();
  let wrong = 0;
  const client = async () => {
    for (const blob of queue) if (!(await isWhole(server, repository, blob))) wrong += 1;
  };
  await Promise.all(Array.from({ length: connections }, client));
  return wrong;
}

async function isWhole(server: Address, repository: string, blob: LargeBlob): Promise<boolean> {
  try {
    using connection = new Connection(server);
    const { status, length } = await connection.send(blobRequest(server.host, blob, repository));
    return status === 200 && length === blob.size;
  } catch {
    return false;
  }
}
