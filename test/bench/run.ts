import { readFile, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { components } from '../setup/components.ts';
import { installComponents } from '../setup/install.ts';
import { Upstream } from './bench-upstream.ts';
import { Candidate } from './candidates.ts';
import { indexTable } from './index-table.ts';
import { memoryTable } from './memory-table.ts';
import { partsTable } from './parts-table.ts';
import { add, emptyRun, type Peer, peers, type Run, table } from './report.ts';
import { type Contestant, scenarios } from './scenarios.ts';
import { memoryUnderSlowReaders } from './slow-readers.ts';
import { soak } from './soak.ts';

const usage = `npm run bench -- [--rounds N] [--only ${Object.keys(scenarios).join(',')}] [--slow-readers] [--json FILE] [--compare FILE], or --soak MINUTES, or --memory MIB,…, or --index MANIFESTS, or --parts`;

/**
 * `npm run bench`: this server and Debian’s docker-registry as a pull-through cache, side by side, in alternating rounds. What
 * counts is the ratio of the medians: absolute figures move with the machine and with what else it does.
 */
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: Object.keys(scenarios).join(',') },
    'slow-readers': { type: 'boolean', default: false },
    soak: { type: 'string' },
    memory: { type: 'string' },
    index: { type: 'string' },
    parts: { type: 'boolean', default: false },
    json: { type: 'string' },
    compare: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

async function startBoth(upstream: Upstream, stack: AsyncDisposableStack): Promise<Record<Peer, Contestant>> {
  const starts = { ociregistry: Candidate.ociregistry, 'docker-registry': Candidate.dockerRegistry };
  const contestant = async (peer: Peer): Promise<Contestant> => ({
    fast: stack.use(await starts[peer](upstream.host)),
    limited: stack.use(await starts[peer](upstream.limitedHost)),
  });
  return {
    ociregistry: await contestant('ociregistry'),
    'docker-registry': await contestant('docker-registry'),
  };
}

async function measure(run: Run): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await Upstream.start());
  const both = await startBoth(upstream, stack);
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const name of options.only.split(',')) {
      // Who begins changes: the first meets a machine that the other has not warmed up.
      const order = round % 2 === 0 ? peers : peers.toReversed();
      for (const peer of order) {
        const scenario = scenarios[name];
        if (scenario === undefined) throw new Error(`there is no scenario ${name}. ${usage}`);
        const before = process.cpuUsage();
        const startedAt = performance.now();
        add(run, peer, await scenario(both[peer], upstream, round));
        const { user, system } = process.cpuUsage(before);
        const busy = Math.round((user + system) / 10 / (performance.now() - startedAt));
        console.error(
          `round ${round + 1}: ${name}, ${peer} (driver ${busy} % of a core, load ${loadavg()[0]?.toFixed(1)})`,
        );
      }
    }
  }
  for (const peer of peers) add(run, peer, { memory: both[peer].fast.residentMiB });
  if (options['slow-readers']) add(run, 'ociregistry', { slowReaders: await slowReaders(upstream) });
}

/** With a process of its own, whose memory no earlier round has grown. */
async function slowReaders(upstream: Upstream): Promise<number> {
  await using server = await Candidate.ociregistry(upstream.host);
  return await memoryUnderSlowReaders(server, upstream);
}

async function main(): Promise<void> {
  for (const failure of installComponents(components.filter(({ name }) => name === 'docker-registry')))
    console.error(failure);
  const earlier =
    options.compare === undefined ? undefined : (JSON.parse(await readFile(options.compare, 'utf8')) as Run);
  const run = emptyRun();
  await measure(run);
  console.log(`${run.machine}; medians of ${options.rounds} rounds\n\n${table(run, earlier)}`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(run, undefined, 2)}\n`);
}

/** Exit 1: it was not flat. */
async function soakFor(minutes: number): Promise<void> {
  const wrong = await soak(minutes);
  console.log(wrong.length === 0 ? 'flat' : `not flat: ${wrong.join('; ')}`);
  if (wrong.length > 0) process.exitCode = 1;
}

if (options.help) console.log(usage);
else if (options.soak !== undefined) await soakFor(Number(options.soak));
else if (options.memory !== undefined) await memoryTable(options.memory.split(',').map(Number));
else if (options.index !== undefined) await indexTable(Number(options.index));
else if (options.parts) await partsTable();
else await main();
