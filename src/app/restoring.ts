import { keptNameList } from '../rebuild/kept-list.ts';
import type { Store } from './store.ts';

/**
 * Tells whether the index is still made anew, by whatever process, or is to be: then it does not say all that is needed, nor where each tag points. Undefined:
 * it was whole when the store was opened, and only the next start puts one aside.
 */
export function restoringOf({ rebuild }: Pick<Store, 'rebuild'>): (() => Promise<boolean>) | undefined {
  if (rebuild?.from === undefined) return undefined;
  const { directory } = rebuild;
  return async () => (await keptNameList(directory)) !== undefined;
}
