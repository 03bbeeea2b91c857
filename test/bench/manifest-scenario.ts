import type { Candidate } from './candidates.ts';
import { Connection } from './connection.ts';
import { sha256, smallImage } from './content.ts';
import type { Contestant } from './contestant.ts';
import type { Sample } from './figures.ts';
import { type Expected, exchange, manifestRequest, requestRate } from './load.ts';
import { type Measurement, measured } from './measurement.ts';
import { untilSettled } from './settled.ts';

const count = 20;
const load = { clients: 16, seconds: 2 };

/** Cached manifests, in the three ways in which clients ask for them. */
export async function manifests(contestant: Contestant): Promise<Sample> {
  const server = await contestant.as('fast');
  const { host } = server;
  const all = Array.from({ length: count }, (_, at) => smallImage(at));
  const byTag = all.map(
    ({ tag, manifest: body }): Expected => ({ request: manifestRequest('GET', host, tag), body }),
  );
  const byDigest = all.map(
    ({ manifest: body }): Expected => ({
      request: manifestRequest('GET', host, sha256(body)),
      body,
    }),
  );
  const heads = all.map(
    ({ tag }): Expected => ({ request: manifestRequest('HEAD', host, tag), body: undefined }),
  );
  await warm(server, [...byTag, ...byTag, ...byDigest]);
  return {
    manifestGet: await rateOf(server, byTag),
    manifestDigest: await rateOf(server, byDigest),
    manifestHead: await rateOf(server, heads),
  };
}

async function warm(server: Candidate, list: readonly Expected[]): Promise<void> {
  using connection = new Connection(server);
  for (const expected of list) await exchange(connection, expected);
  await untilSettled(server);
}

async function rateOf(server: Candidate, list: readonly Expected[]): Promise<Measurement> {
  const { measurement } = await measured(server, async () => {
    const { perSecond, count: operations } = await requestRate(server, list, load);
    return { value: perSecond, operations };
  });
  return measurement;
}
