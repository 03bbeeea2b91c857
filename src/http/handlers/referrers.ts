import { ociIndex } from '../../oci/media-type.ts';
import { parseDigest } from '../../oci/reference.ts';
import { setCacheStatus, warnOfCut } from '../exchange/cache-status.ts';
import { derivedOnce } from '../exchange/derived-list.ts';
import { sendList } from '../exchange/send-list.ts';
import type { Call, Sources } from './call.ts';

/** `GET …/referrers/<digest>` (distribution-spec "Listing Referrers"): an index always, filtered where that was asked for. */
export async function referrers(
  { exchange, request, repository }: Call<'referrers'>,
  { registry }: Sources,
): Promise<void> {
  const { artifactType } = request;
  const digest = parseDigest(request.digest);
  const { referrers: all, cut } = await exchange.ask(
    async (options) => await registry.listReferrers(repository, digest, options),
  );
  const manifests =
    artifactType === undefined
      ? all
      : await derivedOnce(all, artifactType, () =>
          all.filter((descriptor) => descriptor.artifactType === artifactType),
        );
  if (artifactType !== undefined) exchange.response.setHeader('OCI-Filters-Applied', 'artifactType');
  setCacheStatus(exchange.response, exchange.outcome);
  if (cut !== undefined) warnOfCut(exchange, cut);
  return sendList(exchange, { schemaVersion: 2, mediaType: ociIndex }, 'manifests', manifests, ociIndex);
}
