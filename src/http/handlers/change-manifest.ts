import { RegistryError } from '../../oci/error.ts';
import { maxManifestSize } from '../../oci/manifest.ts';
import { isDigest, parseReference, parseTag, type Tag } from '../../oci/reference.ts';
import { clientRequestOf } from '../exchange/client-request.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { sentWhole } from '../exchange/request-body.ts';
import type { Call, Sources } from './call.ts';
import { locationOf, pushesOf, sendEmpty } from './pushing.ts';

/** One request tags as many as an image has at most. */
const maxTags = 100;

/** PUT of a manifest (distribution-spec "Pushing Manifests"). */
export async function putManifest(
  { exchange, request, repository }: Call<'manifest'>,
  sources: Sources,
): Promise<void> {
  const { name } = request;
  const { response } = exchange;
  const pushes = pushesOf(sources);
  const reference = parseReference(request.reference);
  const tags = isDigest(reference) ? tagsIn(exchange) : [];
  exchange.known?.checkTags(repository, tags);
  const bytes = await sentWhole(exchange, maxManifestSize, tooLarge);
  const contentType = exchange.request.headers['content-type'];
  const sent = { bytes, contentType, tags };
  const put = await pushes.putManifest(repository, reference, sent, clientRequestOf(exchange));
  const { subject } = put;
  const { digest } = put.descriptor;
  const location = { kind: 'manifest', method: 'GET', name, reference: digest } as const;
  response.setHeader('Location', locationOf(exchange, sources, location));
  response.setHeader('Docker-Content-Digest', digest);
  if (subject !== undefined) response.setHeader('OCI-Subject', subject);
  if (tags.length > 0) response.setHeader('OCI-Tag', tags.join(', '));
  sendEmpty(exchange, 201);
}

/** DELETE of a manifest, with its tags, or of a tag alone (distribution-spec "Content Management"). */
export async function deleteManifest(
  { exchange, request, repository }: Call<'manifest'>,
  sources: Sources,
): Promise<void> {
  const pushes = pushesOf(sources);
  const reference = parseReference(request.reference);
  const by = clientRequestOf(exchange);
  if (isDigest(reference)) await pushes.deleteManifest(repository, reference, by);
  else await pushes.deleteTag(repository, reference, by);
  sendEmpty(exchange, 202);
}

/** Throws MANIFEST_INVALID. */
function tagsIn({ query }: Exchange): readonly Tag[] {
  const tags = query.getAll('tag');
  if (tags.length > maxTags)
    throw new RegistryError('MANIFEST_INVALID', `more than ${maxTags} tags in one request`);
  return [...new Set(tags.map(parseTag))];
}

function tooLarge(): RegistryError {
  return new RegistryError('MANIFEST_INVALID', `a manifest has ${maxManifestSize} bytes at most`, {
    status: 413,
  });
}
