import { readFile, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { components, find } from '../setup/components.ts';
import { installComponents } from '../setup/install.ts';
import { Upstream } from './bench-upstream.ts';
import { Contestant } from './contestant.ts';
import type { Options } from './options.ts';
import { atHand, ours, type Peer } from './peers.ts';
import { add, emptyRun, type Run } from './recorded-run.ts';
import { report } from './report.ts';
import { scenarios } from './scenarios.ts';
import { temporaryTls } from './tls.ts';
import { turnsOf } from './turns.ts';

type Settings = Pick<Options, 'rounds' | 'only' | 'against' | 'peers' | 'tls' | 'json' | 'compare'>;

/** This server and others, each scenario by all of them before the next one. Prints what came of it; exit 1: a scenario failed with this server. */
export async function compareSideBySide(settings: Settings): Promise<void> {
  const earlier =
    settings.compare === undefined
      ? undefined
      : (JSON.parse(await readFile(settings.compare, 'utf8')) as Run);
  const peers = [
    ours,
    ...installed(atHand.filter(({ name }) => settings.against.includes(name))),
    ...settings.peers,
  ];
  const run = emptyRun(settings.tls);
  await measure(run, peers, settings);
  const names = peers.map(({ name }) => name);
  const transport = settings.tls ? 'TLS' : 'plain HTTP';
  console.log(`${run.machine}; ${transport}; medians of ${settings.rounds} rounds (least–most)\n`);
  console.log(report(run, names, earlier));
  if (settings.json !== undefined) await writeFile(settings.json, `${JSON.stringify(run, undefined, 2)}\n`);
}

/** Those that are here, or could be had. */
function installed(peers: readonly Peer[]): Peer[] {
  const names = new Set(peers.map(({ name }) => name));
  const wanted = components.filter(({ name }) => names.has(name));
  for (const failure of installComponents(wanted)) console.error(`${failure} It does not take part.`);
  const missing = wanted.filter(({ name }) => find(name) === undefined).map(({ name }) => name);
  return peers.filter(({ name }) => !missing.includes(name));
}

async function measure(run: Run, peers: readonly Peer[], { rounds, only, tls }: Settings): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await Upstream.start(tls ? await temporaryTls(stack) : undefined));
  const contestants = peers.map((peer) => stack.use(new Contestant(peer, upstream)));
  for (let round = 0; round < rounds; round += 1)
    for (const name of only)
      for (const contestant of turnsOf(contestants, round))
        await take(run, contestant, upstream, name, round);
  for (const contestant of contestants) {
    const value = await contestant.residentMiB();
    if (value !== undefined) add(run, contestant.name, 0, { memory: { value } });
  }
}

/** What one cannot do is no reason to do without the others. */
async function take(
  run: Run,
  contestant: Contestant,
  upstream: Upstream,
  name: string,
  round: number,
): Promise<void> {
  const scenario = scenarios[name];
  const { peer } = contestant;
  if (scenario === undefined || (scenario.isOnce && round > 0)) return;
  if (peer.plays?.(name) === false) return;
  const before = process.cpuUsage();
  const startedAt = performance.now();
  const sample = await scenario.measure(contestant, upstream, round).catch((error: unknown) => {
    console.error(`${name}, ${peer.name}: FAILED: ${String(error)}`);
    if (peer === ours) process.exitCode = 1;
    return {};
  });
  add(run, peer.name, round, sample);
  const { user, system } = process.cpuUsage(before);
  const busy = Math.round((user + system) / 10 / (performance.now() - startedAt));
  const around = `driver ${busy} % of a core, load ${loadavg()[0]?.toFixed(1)}`;
  console.error(`round ${round + 1}: ${name}, ${peer.name} (${around})`);
}
