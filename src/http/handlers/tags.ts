import { sortedInTurns } from '../../base/in-turns.ts';
import { pathOf, type RepositoryName } from '../../oci/reference.ts';
import type { Registry } from '../../oci/registry.ts';
import { isAscending } from '../../oci/tag-order.ts';
import { setCacheStatus, warnOfCut } from '../cache-status.ts';
import type { Exchange } from '../exchange.ts';
import { nextLink, pageRequest } from '../pagination.ts';
import { sendList } from '../send-list.ts';

/**
 * `GET …/tags/list` (distribution-spec "Listing Tags"). `name` is the repository as its registry knows it. A page that has a next one
 * is in the order of the registry, whatever that is: the next one begins behind its last tag.
 */
export async function tags(
  exchange: Exchange,
  registry: Registry,
  repository: RepositoryName,
  linkPrefix: string,
): Promise<void> {
  const { n, last } = pageRequest(exchange.query);
  // Of a list of which nothing is wanted it is still said whether it is there.
  const wanted = n === undefined ? n : Math.max(n, 1);
  const list = await exchange.ask(
    async (options) => await registry.listTags(repository, { ...options, n: wanted, last }),
  );
  const page = list.tags.slice(0, n);
  const isEnd = page.length === list.tags.length;
  const end = page.at(-1);
  const hasNext = end !== undefined && (list.hasMore || !isEnd);
  if (hasNext) {
    exchange.response.setHeader('Link', nextLink(linkPrefix, exchange.path, exchange.query, end));
  }
  setCacheStatus(exchange.response, exchange.outcome);
  if (isEnd && list.cut !== undefined) warnOfCut(exchange, list.cut);
  const isInOrder = hasNext && n !== undefined;
  const inOrder = isInOrder || isAscending(page) ? page : await sortedInTurns(page);
  await sendList(exchange, { name: pathOf(repository) }, 'tags', inOrder);
}
