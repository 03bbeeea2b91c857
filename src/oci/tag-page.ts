import { isObject, listIn } from './descriptor.ts';
import { parseCutJson } from './json.ts';
import { isTagText, type Tag } from './reference.ts';

/** A page of a list of tags (distribution-spec "Listing Tags"). */
export interface TagPage {
  readonly tags: readonly Tag[];
  /** How many were read, whatever they were. */
  readonly entries: number;
  /** Are there more than were to be read? */
  readonly isCut: boolean;
}

/** `tags` may be null, and hold nulls and names that are no tags (Nexus, JFrog). Throws a {@link Fault}: the bytes are no JSON. */
export function parseTagPage(bytes: Uint8Array, maxEntries: number): TagPage {
  const { json, isCut } = parseCutJson(bytes, 'a tag list', maxEntries);
  const entries = isObject(json) ? listIn(json['tags']) : [];
  const tags = entries.filter((entry) => typeof entry === 'string').filter(isTagText);
  return { tags, entries: entries.length, isCut };
}
