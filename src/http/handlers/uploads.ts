import { type Digest, parseDigest, type RepositoryName } from '../../oci/reference.ts';
import type { RequestOf } from '../../oci/request.ts';
import { clientRequestOf } from '../exchange/client-request.ts';
import { drained } from '../exchange/request-body.ts';
import type { Call, Sources } from './call.ts';
import { describeUpload, pushesOf, sendEmpty, sendPushed, sentBytes } from './pushing.ts';

/**
 * `POST …/blobs/uploads/` (distribution-spec "Pushing blobs"): of a blob that another repository has, of one that comes with it, or of one that will
 * come.
 */
export async function beginUpload(call: Call<'uploads'>, sources: Sources): Promise<void> {
  const { exchange, request, repository } = call;
  const pushes = pushesOf(sources);
  if (request.mount !== undefined && (await isMounted(call, parseDigest(request.mount), sources))) return;
  if (request.digest !== undefined && request.mount === undefined) {
    const [digest, by] = [parseDigest(request.digest), clientRequestOf(exchange)];
    const blob = await pushes.putBlob(repository, digest, sentBytes(exchange), by);
    sendPushed(exchange, request.name, blob, sources);
    return;
  }
  const state = await pushes.beginUpload(repository);
  await drained(exchange);
  describeUpload(exchange, request.name, state, sources);
  sendEmpty(exchange, 202);
}

async function isMounted(
  { exchange, request, repository }: Call<'uploads'>,
  digest: Digest,
  sources: Sources,
): Promise<boolean> {
  const from = sourceOf(request, sources);
  // To whoever may not pull there it is as if it were not there.
  if (from === undefined || (await exchange.known?.mayPullBlob(from, digest)) === false) return false;
  const blob = await pushesOf(sources).mount(repository, digest, from, clientRequestOf(exchange));
  if (blob === undefined) return false;
  await drained(exchange);
  sendPushed(exchange, request.name, blob, sources);
  return true;
}

/** Undefined: none is named, or none that there could be, and the blob is sent. */
function sourceOf({ from }: RequestOf<'uploads'>, { repositoryNamed }: Sources): RepositoryName | undefined {
  return from === undefined ? undefined : repositoryNamed?.(from);
}
