/** What stands beside a manifest in the list that a directory has of itself: its name (image-spec), and what is lost with the index else. */
export const nameKey = 'org.opencontainers.image.ref.name';
/** `true`: no policy removes it. */
export const pinnedKey = 'ociregistry.pinned';
/** How we came by it, where no upstream gave it. */
export const originKey = 'ociregistry.origin';

/** The first line of a list of all names, those by digest too (earlier releases had none of these), and its last. */
export const listHead =
  '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","annotations":{"ociregistry.names":"all"},"manifests":[';
export const listEnd = ']}';
