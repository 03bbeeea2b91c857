import { type Descriptor, descriptorsIn, digestIn, isObject, listIn, shortText } from './descriptor.ts';
import { parseCutJson } from './json.ts';
import { manifestObject, manifestType } from './manifest.ts';
import type { MediaType } from './media-type.ts';
import type { Digest } from './reference.ts';

/** A page of a referrers list, or what stands where one is looked for. */
export interface ReferrersPage {
  readonly mediaType: MediaType;
  readonly referrers: readonly Descriptor[];
  /** How many were read, whatever they were. */
  readonly entries: number;
  /** Are there more than were to be read? */
  readonly isCut: boolean;
}

/**
 * The descriptors of a referrers list, an index by the specification. Any index may stand where one is looked for: the subject itself
 * (whoever calls knows its digest), one about another subject, which is none, or an image's, whose children name a platform.
 * A referrer names its artifact type instead, and no manifest refers to itself. `contentType` and what is thrown as in
 * {@link parseManifest}.
 */
export function parseReferrers(
  bytes: Uint8Array,
  contentType: string | undefined,
  subject: Digest,
  maxEntries: number,
): ReferrersPage {
  const { json, isCut } = parseCutJson(bytes, 'a manifest', maxEntries);
  const index = manifestObject(json);
  const about = digestIn(index['subject']);
  const entries = listIn(index['manifests']);
  const listed = about === undefined || about === subject ? entries : [];
  const referrers = descriptorsIn(listed.filter((item) => !isPlatformImage(item)));
  return {
    mediaType: manifestType(index, contentType),
    referrers: referrers.filter(({ digest }) => digest !== subject),
    entries: entries.length,
    isCut,
  };
}

function isPlatformImage(item: unknown): boolean {
  return isObject(item) && isObject(item['platform']) && shortText(item['artifactType']) === undefined;
}
