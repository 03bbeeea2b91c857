/** `type/subtype` without parameters. */
export type MediaType = string;

export const ociIndex = 'application/vnd.oci.image.index.v1+json';
export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
export const ociArtifact = 'application/vnd.oci.artifact.manifest.v1+json';
export const dockerManifestList = 'application/vnd.docker.distribution.manifest.list.v2+json';
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

/** The media type of a Content-Type header: no parameters, lower case; undefined if there is none. */
export function mediaTypeOf(contentType: string | undefined): MediaType | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  return type === undefined || type === '' ? undefined : type;
}
