import type { Tag } from './reference.ts';

/** Strictly ascending in ASCII order (distribution-spec "Listing Tags"), and behind `last`, if there is one. */
export function isAscending(tags: Iterable<string>, last?: string): boolean {
  let previous = last;
  for (const tag of tags) {
    if (previous !== undefined && tag <= previous) return false;
    previous = tag;
  }
  return true;
}

/**
 * What of a whole list is behind `last`: behind its place, for not every registry keeps its tags in ASCII order; by comparison
 * where it has none.
 */
export function behind(tags: readonly Tag[], last: string | undefined): readonly Tag[] {
  if (last === undefined) return tags;
  const place = tags.indexOf(last as Tag);
  return place === -1 ? tags.filter((tag) => tag > last) : tags.slice(place + 1);
}
