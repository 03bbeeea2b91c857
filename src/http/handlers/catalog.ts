import { Claim } from '../../base/claim.ts';
import { tooMuchRead } from '../../oci/busy.ts';
import { warnOfCut } from '../exchange/cache-status.ts';
import type { KnownCaller } from '../exchange/known-caller.ts';
import { nextLink, pageOf } from '../exchange/pagination.ts';
import { sendList } from '../exchange/send-list.ts';
import type { Call, Sources } from './call.ts';
import { passingNames } from './passing-names.ts';

/** What one answer holds at most; clients follow the Link to the rest. */
const maxPage = 10_000;

/** A name has 255 characters at most, and its registry in front. Bytes, until it was sent. */
const maxPerName = 768;
/** Names and what is made of them to be sent: so many times their characters. */
const timesWhileKept = 3;

/** `GET /v2/_catalog` (Docker's, not the specification's): what is cached here, its registry in front. */
export async function catalog(
  { exchange, request }: Call<'catalog'>,
  { catalog: all, linkPrefix, repositoryNamed }: Sources,
): Promise<void> {
  const { n = maxPage, last } = pageOf(request);
  const limit = Math.min(n, maxPage);
  const room = new Claim('');
  exchange.holds(room.share());
  const most = (limit + 1) * maxPerName;
  if (!room.cover(most) && !(await room.wait(most, exchange.waiting))) throw tooMuchRead();
  const { known, waiting } = exchange;
  const list = known === undefined ? all : passingNames(all, passes(known, repositoryNamed), waiting);
  const found = await list({ last, limit: limit + 1 });
  room.settle(timesWhileKept * found.reduce((sum, name) => sum + name.length, 0));
  const repositories = found.slice(0, limit);
  const end = repositories.at(-1);
  if (found.length > limit && end !== undefined) {
    exchange.response.setHeader('Link', nextLink(linkPrefix, exchange.path, exchange.query, end));
    if (n > limit || request.n === undefined) warnOfCut(exchange, 'bounded');
  }
  return sendList(exchange, {}, 'repositories', repositories);
}

/** What a name means here he must be able to pull; what means nothing nobody can. */
function passes(known: KnownCaller, repositoryNamed: Sources['repositoryNamed']): (name: string) => boolean {
  return (name) => {
    const repository = repositoryNamed?.(name);
    return repository !== undefined && known.mayPull(repository);
  };
}
