import type { Clock } from './clock.ts';
import { Turns } from './turns.ts';

/** In one go, so that a reader's memory stays small and no snapshot of the index is held for long. */
const usualLimit = 200;

/**
 * All pages of a list, each read behind the last of the one before; what is changed meanwhile may be in it or not. `read` gives so many at a time, fewer are the
 * last. Others have their turn between two, also where whoever walks waits for nothing: what he does with a page counts.
 */
export async function* walk<Item>(
  read: (after: Item | undefined, limit: number) => Promise<readonly Item[]>,
  clock: Pick<Clock, 'monotonic'>,
  limit = usualLimit,
): AsyncGenerator<readonly Item[]> {
  const turns = new Turns(clock);
  let page: readonly Item[] = [];
  do {
    page = await read(page.at(-1), limit);
    yield page;
    if (turns.isOver) await turns.pass();
  } while (page.length === limit);
}
