import { parseArgs } from 'node:util';
import { mebibyte } from './content.ts';
import type { Day } from './day/day.ts';
import { atHand, ours, type Peer, peerOf } from './peers.ts';
import { dimensions } from './scale/dimensions.ts';
import { scenarios, usualScenarios } from './scenarios.ts';

const namesAtHand = Object.fromEntries(atHand.map(({ name }) => [name, true]));
const allDimensions = Object.keys(dimensions).join(',');

export const usage = `npm run bench -- [--rounds 5] [--only ${Object.keys(scenarios).join(',')}]
                 [--against ${Object.keys(namesAtHand).join(',')}] [--peer NAME=COMMAND]... [--tls] [--json FILE] [--compare FILE]

  --only     scenarios; without it all but slow-readers
  --against  of the programs that are at hand; '' is none of them
  --tls      from clients to servers, and from servers to upstream
  --peer     one more program beside this one. COMMAND is a line for sh. In it {config}, {distribution} and {zot} are files, each a configuration in
             one program's language with all there is to say: {port} of 127.0.0.1 to listen on, {cache}, an empty directory, and {upstream}, a host and a
             port to ask for all names. {config} is that of this program, its earlier releases and Ociregistry 1.x; a COMMAND without any of these
             words gets --config-file {config} serve behind it. What COMMAND becomes is the server, or what that has started; it ends by SIGTERM.
               --peer before='node ../before/dist/main.js'   an earlier checkout, built (npm run build)
               --peer ociregistry-go=/opt/ociregistry        Ociregistry 1.x
               --peer zot='/opt/zot serve {zot}'
             There are aims against ociregistry-go, zot, distribution and docker-registry; who has another name is shown beside them.

npm run bench -- --scale [${allDimensions}]
npm run bench -- --soak MINUTES
npm run bench -- --memory MIB,…
npm run bench -- --index MANIFESTS
npm run bench -- --life IMAGES
npm run bench -- --day MIB,QUOTA[,MINUTES]
npm run bench -- --parts`;

export interface Options {
  readonly rounds: number;
  readonly only: readonly string[];
  readonly against: readonly string[];
  readonly peers: readonly Peer[];
  readonly tls: boolean;
  /** Dimensions. */
  readonly scale: readonly string[] | undefined;
  readonly soak: string | undefined;
  readonly memory: string | undefined;
  readonly index: string | undefined;
  readonly life: number | undefined;
  readonly day: Day | undefined;
  readonly parts: boolean;
  readonly json: string | undefined;
  readonly compare: string | undefined;
  readonly help: boolean;
}

/** Throws, in words for who has typed them. */
export function readOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', default: usualScenarios.join(',') },
      against: { type: 'string', default: Object.keys(namesAtHand).join(',') },
      peer: { type: 'string', multiple: true, default: [] },
      tls: { type: 'boolean', default: false },
      scale: { type: 'boolean', default: false },
      soak: { type: 'string' },
      memory: { type: 'string' },
      index: { type: 'string' },
      life: { type: 'string' },
      day: { type: 'string' },
      parts: { type: 'boolean', default: false },
      json: { type: 'string' },
      compare: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (positionals.length > (values.scale ? 1 : 0)) throw new Error(`Nothing knows ${positionals.at(-1)}`);
  const { soak, memory, index, parts, json, compare, tls, help } = values;
  return {
    ...{ soak, memory, index, parts, json, compare, tls, help },
    rounds: countOf('--rounds', values.rounds),
    life: values.life === undefined ? undefined : countOf('--life', values.life),
    day: values.day === undefined ? undefined : dayOf(values.day),
    only: listOf(values.only).map((name) => known(name, scenarios)),
    against: listOf(values.against).map((name) => known(name, namesAtHand)),
    peers: allDifferent(values.peer.map(peerOf)),
    scale: values.scale
      ? listOf(positionals[0] ?? allDimensions).map((name) => known(name, dimensions))
      : undefined,
  };
}

function countOf(name: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`${name} is a number, and not ${text}`);
  return Number(text);
}

function dayOf(text: string): Day {
  const [mebibytes = '', quota = '', minutes = '10', ...more] = text.split(',');
  if (more.length > 0) throw new Error(`--day is MIB,QUOTA[,MINUTES], and not ${text}`);
  const [bytes, quotaBytes] = [mebibytes, quota].map((size) => countOf('a size in --day', size) * mebibyte);
  return { bytes: bytes ?? 0, quotaBytes: quotaBytes ?? 0, minutes: countOf('MINUTES in --day', minutes) };
}

function listOf(text: string): string[] {
  return text.split(',').filter((name) => name !== '');
}

/** From each other, and from those that are there without being named. */
function allDifferent(peers: readonly Peer[]): readonly Peer[] {
  const names = [...atHand, ours, ...peers].map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) throw new Error(`Two are called by the name ${twice}`);
  return peers;
}

function known(name: string, names: Readonly<Record<string, unknown>>): string {
  if (names[name] === undefined) throw new Error(`There is no ${name}, but ${Object.keys(names).join(', ')}`);
  return name;
}
