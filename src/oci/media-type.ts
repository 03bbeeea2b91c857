import { ownText } from './own-text.ts';

/** `type/subtype` without parameters. */
export type MediaType = string;

export const ociIndex = 'application/vnd.oci.image.index.v1+json';
export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
export const ociArtifact = 'application/vnd.oci.artifact.manifest.v1+json';
export const dockerManifestList = 'application/vnd.docker.distribution.manifest.list.v2+json';
/** Of bytes of which nobody has said what they are, as of each blob by itself. */
export const blobType = 'application/octet-stream';
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';

/**
 * What we ask upstream for, whatever our client asked us: the answer is cached for all of them. Without an
 * Accept header some registries convert to schema 1 (distribution-spec, content negotiation).
 */
export const acceptedManifests = [
  ociIndex,
  dockerManifestList,
  ociManifest,
  dockerManifest,
  ociArtifact,
  '*/*;q=0.1',
].join(', ');

/** Of nearly all manifests one of these: it is kept once, and not with each. */
const usual = new Map(
  [ociIndex, ociManifest, ociArtifact, dockerManifestList, dockerManifest].map((type) => [type, type]),
);

/** `type/subtype` (RFC 6838 section 4.2): what is longer or has other characters is not fit for a header of ours. */
const mediaTypePattern = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/;

/**
 * The media type of a Content-Type header or of a manifest's own `mediaType`: no parameters, lower case. Undefined if there is
 * none, or nothing that could be one.
 */
export function mediaTypeOf(contentType: string | undefined): MediaType | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return usual.get(type) ?? (mediaTypePattern.test(type) ? ownText(type) : undefined);
}
