import { warnOfCut } from '../cache-status.ts';
import type { Exchange } from '../exchange.ts';
import { nextLink, pageRequest } from '../pagination.ts';
import { sendList } from '../send-list.ts';

/** The names of repositories of which something is cached, in ASCII order, after `last`, at most `limit`. */
export type Catalog = (page: { last?: string | undefined; limit: number }) => Promise<readonly string[]>;

/** What one answer holds at most; clients follow the Link to the rest. */
const maxPage = 10_000;

/** `GET /v2/_catalog` (Docker's, not the specification's): what is cached here, its registry in front. */
export async function catalog(exchange: Exchange, list: Catalog, linkPrefix: string): Promise<void> {
  const { n = maxPage, last } = pageRequest(exchange.query);
  const limit = Math.min(n, maxPage);
  const found = await list({ last, limit: limit + 1 });
  const repositories = found.slice(0, limit);
  const end = repositories.at(-1);
  if (found.length > limit && end !== undefined) {
    exchange.response.setHeader('Link', nextLink(linkPrefix, exchange.path, exchange.query, end));
    if (n > limit || exchange.query.get('n') === null) warnOfCut(exchange, 'bounded');
  }
  await sendList(exchange, {}, 'repositories', repositories);
}
