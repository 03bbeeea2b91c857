import { RegistryError } from '../../oci/error.ts';
import { parseDigest } from '../../oci/reference.ts';
import { clientRequestOf } from '../exchange/client-request.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { Call, Sources } from './call.ts';
import {
  describeUpload,
  lastBytes,
  locationOf,
  pushesOf,
  sendEmpty,
  sendPushed,
  sentBytes,
} from './pushing.ts';

/** GET of an upload: how much of it has come (distribution-spec "Pushing a blob in chunks"). */
export async function uploadState(
  { exchange, request, repository }: Call<'upload'>,
  sources: Sources,
): Promise<void> {
  describeUpload(
    exchange,
    request.name,
    await pushesOf(sources).uploadState(repository, request.id),
    sources,
  );
  sendEmpty(exchange, 204);
}

/** PATCH: some more of it, in order. */
export async function appendToUpload(
  { exchange, request, repository }: Call<'upload'>,
  sources: Sources,
): Promise<void> {
  const state = await withLocation(exchange, request, sources, async () => {
    return await pushesOf(sources).append(repository, request.id, sentBytes(exchange));
  });
  describeUpload(exchange, request.name, state, sources);
  sendEmpty(exchange, 202);
}

/** PUT: the last of it, if any, and which blob it is. */
export async function commitUpload(
  { exchange, request, repository }: Call<'upload'>,
  sources: Sources,
): Promise<void> {
  if (request.digest === undefined)
    throw new RegistryError('DIGEST_INVALID', 'the digest of the blob is missing: ?digest=<digest>');
  const digest = parseDigest(request.digest);
  const blob = await withLocation(exchange, request, sources, async () => {
    const by = clientRequestOf(exchange);
    return await pushesOf(sources).commit(repository, request.id, digest, lastBytes(exchange), by);
  });
  sendPushed(exchange, request.name, blob, sources);
}

/** DELETE: it is not sent any further. */
export async function cancelUpload(
  { exchange, request, repository }: Call<'upload'>,
  sources: Sources,
): Promise<void> {
  await pushesOf(sources).cancel(repository, request.id);
  sendEmpty(exchange, 204);
}

/** Whoever sent what is not the next is told where to ask for that. */
async function withLocation<Value>(
  exchange: Exchange,
  { name, id }: { readonly name: string; readonly id: string },
  sources: Sources,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'RANGE_INVALID')
      exchange.response.setHeader(
        'Location',
        locationOf(exchange, sources, { kind: 'upload', method: 'GET', name, id }),
      );
    throw error;
  }
}
