import type { OpenCache } from '../cache/open-cache.ts';
import { changesOf, type Operation } from '../storage/operation.ts';
import type { Store } from './store.ts';

/** Tells who must know what this process has changed in the index beside the cache: its memories, if it has any, and the directory's list of names. */
export function tellerOf(
  store: Pick<Store, 'changed'>,
  cache?: Pick<OpenCache, 'forget'>,
): (operations: readonly Operation[]) => void {
  return (operations) => {
    const changes = changesOf(operations);
    cache?.forget(changes);
    if (changes.some(({ kind }) => kind !== 'blob')) store.changed();
  };
}
