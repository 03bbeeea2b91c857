import { warnOfCut } from '../exchange/cache-status.ts';
import { nextLink, pageOf } from '../exchange/pagination.ts';
import { sendList } from '../exchange/send-list.ts';
import type { Call, Sources } from './call.ts';

/** What one answer holds at most; clients follow the Link to the rest. */
const maxPage = 10_000;

/** `GET /v2/_catalog` (Docker's, not the specification's): what is cached here, its registry in front. */
export async function catalog(
  { exchange, request }: Call<'catalog'>,
  { catalog: list, linkPrefix }: Sources,
): Promise<void> {
  const { n = maxPage, last } = pageOf(request);
  const limit = Math.min(n, maxPage);
  const found = await list({ last, limit: limit + 1 });
  const repositories = found.slice(0, limit);
  const end = repositories.at(-1);
  if (found.length > limit && end !== undefined) {
    exchange.response.setHeader('Link', nextLink(linkPrefix, exchange.path, exchange.query, end));
    if (n > limit || request.n === undefined) warnOfCut(exchange, 'bounded');
  }
  await sendList(exchange, {}, 'repositories', repositories);
}
