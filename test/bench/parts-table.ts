import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { Fault } from '#test/fakes/upstream-answers.ts';
import { alias } from '../e2e/support/client.ts';
import { ColdBlobs, rangeOf, readAll } from '../e2e/support/cold-blobs.ts';
import { mebibyte } from './content.ts';
import { median } from './ratios.ts';

/** Of the link to upstream. Bytes a second. */
const rate = 1_000_000;
/** Of a blob. */
const size = 60 * mebibyte;
/** Blobs that nobody has seen yet, for each row: the first one is asked of a server that has fetched none. */
const rounds = 6;

const parts = [
  { what: '1 MB at 20 MB', range: rangeOf(20_000_000, 20_999_999), length: 1_000_000 },
  { what: 'the last 51 bytes', range: 'bytes=-51', length: 51 },
] as const;

/** `awayMs`: until upstream takes up a request. */
interface Way {
  readonly what: string;
  readonly awayMs: number;
  readonly isShared: boolean;
  readonly isBesideWhole: boolean;
}

const alone = { what: 'asked alone', awayMs: 0, isShared: false, isBesideWhole: false };
const ways: readonly Way[] = [
  alone,
  { ...alone, what: 'asked alone, upstream 20 ms away', awayMs: 20 },
  { ...alone, what: 'beside a whole answer, upstream 20 ms away', awayMs: 20, isBesideWhole: true },
  { ...alone, what: 'beside a whole answer on the same link', isShared: true, isBesideWhole: true },
];

/** Where the server has the repository, and where upstream itself has it. */
function pathOf(cold: ColdBlobs, who: Who): string {
  return who === 'server' ? `${cold.server.url}/v2/${alias}` : `http://${cold.upstream.host}/v2`;
}

type Who = 'server' | 'upstream';
type Part = (typeof parts)[number];

/** How long parts of a cold blob take behind an upstream of 1 MB a second, and how long upstream itself takes for them, with the same beside it. */
export async function partsTable(): Promise<void> {
  console.log(`Parts of a cold blob of 60 MiB, upstream at 1 MB/s; medians of ${rounds} blobs, ms`);
  for (const way of ways)
    for (const part of parts) {
      await using cold = await ColdBlobs.start({ rate, isShared: way.isShared, faults: [later(way.awayMs)] });
      const times: Record<Who, number[]> = { server: [], upstream: [] };
      for (let round = 0; round < rounds; round += 1)
        for (const who of ['server', 'upstream'] as const)
          times[who].push(await timeOf(cold, who, part, way.isBesideWhole));
      console.log(line(`${part.what}, ${way.what}`, times));
    }
}

function later(ms: number): Fault {
  return async (_, next) => {
    if (ms > 0) await setTimeout(ms);
    return await next();
  };
}

function line(what: string, { server, upstream }: Readonly<Record<Who, readonly number[]>>): string {
  const [here, there] = [median(server), median(upstream)];
  const spread = (times: readonly number[]) =>
    `${Math.min(...times).toFixed(0)}–${Math.max(...times).toFixed(0)}`;
  return `${what}: ${here.toFixed(0)} (${spread(server)}, the first ${server[0]?.toFixed(0)}); upstream ${there.toFixed(0)} (${spread(upstream)}): ${(here / there).toFixed(2)} ×`;
}

/** From the request to the last byte, of a blob that nobody has seen. Milliseconds. */
async function timeOf(
  cold: ColdBlobs,
  who: Who,
  { range, length }: Part,
  isBesideWhole: boolean,
): Promise<number> {
  const url = `${pathOf(cold, who)}/library/app/blobs/${cold.put(size).digest}`;
  const whole = isBesideWhole ? await ask(url) : undefined;
  // It flows.
  if (whole !== undefined) await once(whole.resume(), 'data');
  const startedAt = performance.now();
  const { status, body } = await readAll(await ask(url, range));
  const took = performance.now() - startedAt;
  if (status !== 206 || body.length !== length) throw new Error(`${range}: ${status}, ${body.length} bytes`);
  whole?.destroy();
  return took;
}

async function ask(url: string, range?: string): Promise<IncomingMessage> {
  const [response] = (await once(
    get(url, { agent: false, headers: { ...(range && { range }) } }),
    'response',
  )) as [IncomingMessage];
  return response;
}
