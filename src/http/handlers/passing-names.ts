import { setImmediate } from 'node:timers/promises';
import type { Catalog } from './call.ts';

/** So many names are looked at in one go: about a millisecond. */
const slice = 200;
/** Behind every character of a name. */
const end = '~';

/**
 * The names of a list that pass, in whole pages: nobody learns from a short one, or from where it ends, that there are others. However few pass, others have
 * their turn behind each slice. `beginnings`: those that pass begin with one of them, and nothing else is looked at. Rejects with the signal's reason.
 */
export function passingNames(
  list: Catalog,
  {
    beginnings,
    passes,
  }: { readonly beginnings: readonly string[]; readonly passes: (name: string) => boolean },
  signal: AbortSignal,
): Catalog {
  const stretches = distinct(beginnings);
  return async ({ last = '', limit }) => {
    const names: string[] = [];
    for (const beginning of stretches) {
      if (beginning + end <= last) continue;
      let from = last > justBefore(beginning) ? last : justBefore(beginning);
      for (let isOver = false; !isOver && names.length < limit; ) {
        const found = await list({ last: from, limit: slice });
        const within = found.filter((name) => name.startsWith(beginning));
        names.push(...within.filter(passes));
        isOver = within.length < slice;
        from = within.at(-1) ?? from;
        await setImmediate();
        signal.throwIfAborted();
      }
      if (names.length >= limit) break;
    }
    return names.slice(0, limit);
  };
}

/** In order, without those that begin with another. */
function distinct(beginnings: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (const beginning of [...beginnings].sort())
    if (kept.at(-1) === undefined || !beginning.startsWith(kept.at(-1) as string)) kept.push(beginning);
  return kept;
}

/** No name lies between it and what it is before. */
function justBefore(beginning: string): string {
  const last = beginning.at(-1);
  return last === undefined ? '' : beginning.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) - 1) + end;
}
