import { parseDigest } from '../../oci/reference.ts';
import { clientRequestOf } from '../exchange/client-request.ts';
import type { Call, Sources } from './call.ts';
import { pushesOf, sendEmpty } from './pushing.ts';

/** DELETE of a blob (distribution-spec "Deleting Blobs"). */
export async function deleteBlob(
  { exchange, request, repository }: Call<'blob'>,
  sources: Sources,
): Promise<void> {
  const digest = parseDigest(request.digest);
  await pushesOf(sources).deleteBlob(repository, digest, clientRequestOf(exchange));
  sendEmpty(exchange, 202);
}
