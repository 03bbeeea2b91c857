import { pathOf, type RepositoryName } from '../../oci/reference.ts';
import type { Registry } from '../../oci/registry.ts';
import { setCacheStatus } from '../cache-status.ts';
import type { Exchange } from '../exchange.ts';
import { nextLink, pageOf, pageRequest } from '../pagination.ts';

/** `GET …/tags/list` (distribution-spec "Listing Tags"). `name` is the repository as its registry knows it. */
export async function tags(
  exchange: Exchange,
  registry: Registry,
  repository: RepositoryName,
  linkPrefix: string,
): Promise<void> {
  const request = pageRequest(exchange.query);
  const all = await exchange.ask(async (options) => await registry.listTags(repository, options));
  const { items, hasMore } = pageOf(all, request);
  const last = items.at(-1);
  if (hasMore && last !== undefined) {
    exchange.response.setHeader('Link', nextLink(linkPrefix, exchange.path, exchange.query, last));
  }
  setCacheStatus(exchange.response, exchange.outcome);
  exchange.sendJson(200, { name: pathOf(repository), tags: items });
}
