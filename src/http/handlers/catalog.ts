import { Claim } from '../../base/claim.ts';
import { networkOf } from '../../base/network-of.ts';
import { OneOfAll } from '../../base/one-of-all.ts';
import { tooMuchRead } from '../../oci/busy.ts';
import { warnOfCut } from '../exchange/cache-status.ts';
import type { KnownCaller } from '../exchange/known-caller.ts';
import { nextLink, pageOf } from '../exchange/pagination.ts';
import { sendList } from '../exchange/send-list.ts';
import type { Call, Catalog, Sources } from './call.ts';
import { passingNames } from './passing-names.ts';

/** What one answer holds at most; clients follow the Link to the rest. */
const maxPage = 10_000;

/** A name has 255 characters at most, and its registry in front. Bytes, until it was sent. */
const maxPerName = 768;
/** Names and what is made of them to be sent: so many times their characters. */
const timesWhileKept = 3;

const walks = new OneOfAll();

/** `GET /v2/_catalog` (Docker's, not the specification's): what is cached here, its registry in front. */
export async function catalog({ exchange, request }: Call<'catalog'>, sources: Sources): Promise<void> {
  const { n = maxPage, last } = pageOf(request);
  const limit = Math.min(n, maxPage);
  const { known, waiting } = exchange;
  const room = new Claim('');
  exchange.holds(room.share());
  const most = (limit + 1) * maxPerName;
  const read = async (list: Catalog): Promise<readonly string[]> => {
    if (!room.cover(most) && !(await room.wait(most, waiting))) throw tooMuchRead();
    return await list({ last, limit: limit + 1 });
  };
  const found =
    known === undefined
      ? await read(sources.catalog)
      : await exchange.ask(async () => {
          const list = pullableNames(known, sources, waiting);
          return await walks.run(networkOf(known.address ?? ''), waiting, async () => await read(list));
        });
  room.settle(timesWhileKept * found.reduce((sum, name) => sum + name.length, 0));
  const repositories = found.slice(0, limit);
  const end = repositories.at(-1);
  if (found.length > limit && end !== undefined) {
    exchange.response.setHeader('Link', nextLink(sources.linkPrefix, exchange.path, exchange.query, end));
    if (n > limit || request.n === undefined) warnOfCut(exchange, 'bounded');
  }
  return sendList(exchange, {}, 'repositories', repositories);
}

/**
 * What he may pull. It takes long where his rules do not say what names begin with, since all are looked through: so one list at a time, the networks in turn, and
 * nobody waits for it longer than for a status line.
 */
function pullableNames(
  { pullable: { beginnings, has } }: KnownCaller,
  { catalog: all, repositoryNamed, shownBeginnings = (beginning) => [beginning] }: Sources,
  signal: AbortSignal,
): Catalog {
  // What a name means here he must be able to pull; what means nothing nobody can.
  const passes = (name: string): boolean => {
    const repository = repositoryNamed?.(name);
    return repository !== undefined && has(repository);
  };
  return passingNames(all, { beginnings: beginnings.flatMap(shownBeginnings), passes }, signal);
}
