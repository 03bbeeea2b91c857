import type { Upstream } from './bench-upstream.ts';
import type { Candidate } from './candidates.ts';
import { Connection } from './connection.ts';
import type { LargeBlob } from './content.ts';
import { blobRequest } from './load.ts';

const layers = 100;
const layerStep = 64 * 1024;
/** As containerd fetches an image. */
const connections = 3;

/** Two nodes pull two cold images with the same layers at once. How many answers are not 200, or break off. */
export async function wrongAnswersToShared({ host }: Candidate, upstream: Upstream): Promise<number> {
  const blobs: LargeBlob[] = [];
  for (let at = 0; at < layers; at += 1) blobs.push(await upstream.newBlob(layerStep * (1 + (at % 16))));
  const wrong = await Promise.all(['bench', 'shared'].map(async (name) => await pull(host, name, blobs)));
  return wrong.reduce((sum, one) => sum + one, 0);
}

async function pull(host: string, repository: string, blobs: readonly LargeBlob[]): Promise<number> {
  const queue = blobs.values();
  let wrong = 0;
  const client = async () => {
    for (const blob of queue) if (!(await isWhole(host, repository, blob))) wrong += 1;
  };
  await Promise.all(Array.from({ length: connections }, client));
  return wrong;
}

async function isWhole(host: string, repository: string, blob: LargeBlob): Promise<boolean> {
  try {
    using connection = new Connection(host);
    const { status, length } = await connection.send(blobRequest(host, blob, repository));
    return status === 200 && length === blob.size;
  } catch {
    return false;
  }
}
