import { RegistryError } from '../../oci/error.ts';
import { maxManifestSize } from '../../oci/manifest.ts';
import { isDigest, parseReference, parseTag, type Tag } from '../../oci/reference.ts';
import { eventRequestOf } from '../exchange/event-request.ts';
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
  const { descriptor, subject } = await pushes.putManifest(repository, reference, {
    bytes,
    contentType,
    tags,
  });
  const { digest } = descriptor;
  const location = { kind: 'manifest', method: 'GET', name, reference: digest } as const;
  response.setHeader('Location', locationOf(exchange, sources, location));
  response.setHeader('Docker-Content-Digest', digest);
  if (subject !== undefined) response.setHeader('OCI-Subject', subject);
  if (tags.length > 0) response.setHeader('OCI-Tag', tags.join(', '));
  sendEmpty(exchange, 201);
  const named = isDigest(reference) ? (tags.length > 0 ? tags : [undefined]) : [reference];
  for (const tag of named)
    sources.tell?.({
      ...{ kind: 'push', at: exchange.clock.now(), repository, descriptor, tag },
      request: eventRequestOf(exchange),
    });
}

/** DELETE of a manifest, with its tags, or of a tag alone (distribution-spec "Content Management"). */
export async function deleteManifest(
  { exchange, request, repository }: Call<'manifest'>,
  sources: Sources,
): Promise<void> {
  const pushes = pushesOf(sources);
  const reference = parseReference(request.reference);
  if (isDigest(reference)) await pushes.deleteManifest(repository, reference);
  else await pushes.deleteTag(repository, reference);
  sendEmpty(exchange, 202);
  const deleted = isDigest(reference) ? { digest: reference } : { tag: reference };
  sources.tell?.({
    ...{ kind: 'delete', at: exchange.clock.now(), repository, ...deleted },
    request: eventRequestOf(exchange),
  });
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
