import { setTimeout as sleep } from 'node:timers/promises';
import { Upstream } from '../bench-upstream.ts';
import { Candidate } from '../candidates.ts';
import { Connection } from '../connection.ts';
import { plainImage } from '../content.ts';
import { type Expected, exchange, pullOf } from '../load.ts';
import { ours } from '../peers.ts';
import { machineInWords } from '../recorded-run.ts';
import { untilSettled } from '../settled.ts';
import { fillDirectory, pathOfPlain } from './filled-directory.ts';
import { type Calm, headLines, type Row, rowLine } from './life-table.ts';
import { type Done, type Task, tasks } from './life-tasks.ts';
import { lowerLimit } from './lower-limit.ts';
import { SteadyPulls } from './steady-pulls.ts';

/** So many images are pulled over and over, of the tenth that was pulled last. */
const warmImages = 1000;
/** How long pulls are looked at while nothing else is done, and behind a start. Milliseconds. */
const calmMs = 5000;
/** Files that came so short a time ago are not removed. Milliseconds. */
const graceMs = 10 * 60_000 + 5000;

type Pulls = readonly (readonly Expected[])[];

/**
 * `npm run bench -- --life IMAGES`: what is done to a cache of so many images, of three blobs each, while clients pull from it. Prints a row for each: how long it takes, what it
 * costs whom, and what the clients feel of it. Throws where one of them has a wrong answer.
 */
export async function measureLife(images: number): Promise<void> {
  await using upstream = await Upstream.start();
  let filledAt = 0;
  const fill = async (cache: string): Promise<void> => {
    await fillDirectory(cache, upstream.host, images);
    filledAt = performance.now();
  };
  await using server = await Candidate.start(ours, upstream, { metrics: true, fill });
  await untilSettled(server);
  const pulls = warmPulls(server.host, images);
  for (const line of [`${images.toLocaleString('en')} images; ${machineInWords()}\n`, ...headLines()])
    console.log(line);
  console.log(rowLine(await begun(server, pulls)));
  await pullAllOnce(server, pulls);
  await whilePulling(
    server,
    pulls,
    tasks.filter(({ removes }) => removes !== true),
  );
  await sleep(Math.max(0, filledAt + graceMs - performance.now()));
  await whilePulling(
    server,
    pulls,
    tasks.filter(({ removes }) => removes === true),
  );
  console.log(rowLine(await eviction(server, pulls)));
}

async function begun(server: Candidate, pulls: Pulls): Promise<Row> {
  const startMs = await server.restart(anyOf(pulls));
  await using steady = new SteadyPulls(server, () => pickOf(pulls));
  const start = async (): Promise<Done> => {
    await sleep(calmMs);
    return { seconds: startMs / 1000, came: 'the first right answer' };
  };
  return { name: 'start', calm: undefined, ...(await observed(server, steady, undefined, start)) };
}

async function whilePulling(server: Candidate, pulls: Pulls, some: readonly Task[]): Promise<void> {
  await using steady = new SteadyPulls(server, () => pickOf(pulls));
  for (const { name, run } of some) {
    const calm = await calmOf(server, steady);
    const row = await observed(server, steady, calm, async () => await run(server));
    console.log(rowLine({ name, calm, ...row }));
  }
}

/** A server that begins with a lower limit evicts at once. */
async function eviction(server: Candidate, pulls: Pulls): Promise<Row> {
  const calm = await calmBefore(server, pulls);
  const { evicted } = await lowerLimit(server);
  await server.restart(anyOf(pulls));
  await using steady = new SteadyPulls(server, () => pickOf(pulls));
  return { name: 'eviction of a tenth', calm, ...(await observed(server, steady, calm, evicted)) };
}

async function calmBefore(server: Candidate, pulls: Pulls): Promise<Calm> {
  await using steady = new SteadyPulls(server, () => pickOf(pulls));
  return await calmOf(server, steady);
}

async function calmOf(server: Candidate, steady: SteadyPulls): Promise<Calm> {
  steady.take();
  const before = cpuSecondsOf(server);
  await sleep(calmMs);
  const waits = steady.take();
  return { ...waits, cpuSecondsEach: (cpuSecondsOf(server) - before) / Math.max(1, waits.count) };
}

async function observed(
  server: Candidate,
  steady: SteadyPulls,
  calm: Calm | undefined,
  work: () => Promise<Done>,
): Promise<Omit<Row, 'name' | 'calm'>> {
  steady.take();
  await server.loopDelay();
  server.forgetPeak();
  const before = cpuSecondsOf(server);
  const done = await work();
  const during = steady.take();
  const ofPulls = during.count * (calm?.cpuSecondsEach ?? 0);
  const cpuSeconds = Math.max(0, cpuSecondsOf(server) - before - ofPulls);
  const delay = await server.loopDelay();
  return { done, during, server: { ...delay, cpuSeconds, peakMiB: server.peakMiB } };
}

function cpuSecondsOf({ usage: { user, system } }: Candidate): number {
  return user + system;
}

function warmPulls(host: string, images: number): Pulls {
  const from = Math.floor(images * 0.9);
  const count = Math.min(warmImages, images - from);
  return Array.from({ length: count }, (_, at) => {
    const number = from + Math.floor((at * (images - from)) / count);
    return pullOf(host, plainImage(number), pathOfPlain(number));
  });
}

async function pullAllOnce(server: Candidate, pulls: Pulls): Promise<void> {
  using connection = new Connection(server);
  for (const pull of pulls) for (const expected of pull) await exchange(connection, expected);
}

function pickOf(pulls: Pulls): readonly Expected[] {
  return pulls[Math.floor(Math.random() * pulls.length)] ?? [];
}

function anyOf(pulls: Pulls): Expected {
  const [[first] = []] = pulls;
  if (first === undefined) throw new Error('there is nothing to pull');
  return first;
}
