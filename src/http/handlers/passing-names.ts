import { setImmediate } from 'node:timers/promises';
import type { Catalog } from './call.ts';

/** So many names are looked at in one go: about a millisecond. */
const slice = 200;

/**
 * The names of a list that pass, in whole pages: nobody learns from a short one, or from where it ends, that there are others. However few pass, others have
 * their turn behind each slice. Rejects with the signal's reason.
 */
export function passingNames(list: Catalog, passes: (name: string) => boolean, signal: AbortSignal): Catalog {
  return async ({ last, limit }) => {
    const names: string[] = [];
    let from = last;
    for (;;) {
      const found = await list({ last: from, limit: slice });
      names.push(...found.filter(passes));
      if (names.length >= limit || found.length < slice) return names.slice(0, limit);
      from = found.at(-1);
      await setImmediate();
      signal.throwIfAborted();
    }
  };
}
