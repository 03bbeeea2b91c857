import { eachInTurns, sortedInTurns } from '../../base/in-turns.ts';
import { pathOf, type Tag } from '../../oci/reference.ts';
import { isAscending } from '../../oci/tag-order.ts';
import { setCacheStatus, warnOfCut } from '../exchange/cache-status.ts';
import { derivedOnce } from '../exchange/derived-list.ts';
import { nextLink, pageOf } from '../exchange/pagination.ts';
import { sendList } from '../exchange/send-list.ts';
import type { Call, Sources } from './call.ts';

/**
 * `GET …/tags/list` (distribution-spec "Listing Tags"). `name` is the repository as its registry knows it. A page that has a next one
 * is in the order of the registry, whatever that is: the next one begins behind its last tag. What may not pass is left out of it, so that nobody picks it; so a page
 * may be short, or empty, and have a next one.
 */
export async function tags(
  { exchange, request, repository }: Call<'tags'>,
  { registry, linkPrefix }: Sources,
): Promise<void> {
  const { n, last } = pageOf(request);
  // Of a list of which nothing is wanted it is still said whether it is there.
  const wanted = n === undefined ? n : Math.max(n, 1);
  const list = await exchange.ask(
    async (options) => await registry.listTags(repository, { ...options, n: wanted, last }),
  );
  const page = n === undefined || list.tags.length <= n ? list.tags : list.tags.slice(0, n);
  const isEnd = page.length === list.tags.length;
  const end = page.at(-1);
  const hasNext = end !== undefined && (list.hasMore || !isEnd);
  if (hasNext) {
    exchange.response.setHeader('Link', nextLink(linkPrefix, exchange.path, exchange.query, end));
  }
  setCacheStatus(exchange.response, exchange.outcome);
  if (isEnd && list.cut !== undefined) warnOfCut(exchange, list.cut);
  const passes = exchange.known?.tagsPassing(repository);
  const shown =
    passes === undefined ? page : await derivedOnce(page, 'passing', async () => await those(page, passes));
  const isInOrder = hasNext && n !== undefined;
  const inOrder =
    isInOrder || isAscending(shown)
      ? shown
      : await derivedOnce(shown, 'sorted', async () => await sortedInTurns(shown));
  return sendList(exchange, { name: pathOf(repository) }, 'tags', inOrder);
}

async function those(tags: readonly Tag[], passes: (tag: Tag) => boolean): Promise<readonly Tag[]> {
  const kept: Tag[] = [];
  await eachInTurns(tags, (tag) => {
    if (passes(tag)) kept.push(tag);
  });
  return kept;
}
