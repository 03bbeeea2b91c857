import { ociIndex } from '../../oci/media-type.ts';
import { parseDigest, type RepositoryName } from '../../oci/reference.ts';
import type { Registry } from '../../oci/registry.ts';
import { setCacheStatus, warnOfCut } from '../cache-status.ts';
import type { Exchange } from '../exchange.ts';
import { sendList } from '../send-list.ts';

/** `GET …/referrers/<digest>` (distribution-spec "Listing Referrers"): an index always, filtered where that was asked for. */
export async function referrers(
  exchange: Exchange,
  registry: Registry,
  repository: RepositoryName,
  text: string,
): Promise<void> {
  const digest = parseDigest(text);
  const { referrers: all, cut } = await exchange.ask(
    async (options) => await registry.listReferrers(repository, digest, options),
  );
  const artifactType = exchange.query.get('artifactType');
  const manifests =
    artifactType === null ? all : all.filter((descriptor) => descriptor.artifactType === artifactType);
  if (artifactType !== null) exchange.response.setHeader('OCI-Filters-Applied', 'artifactType');
  setCacheStatus(exchange.response, exchange.outcome);
  if (cut !== undefined) warnOfCut(exchange, cut);
  await sendList(exchange, { schemaVersion: 2, mediaType: ociIndex }, 'manifests', manifests, ociIndex);
}
