import { join } from 'node:path';
import { programOf } from '../setup/needs.ts';
import { builtProgram } from './built-package.ts';
import { type ConfigurationFiles, cacheIn, type Place } from './configurations.ts';

/** A program that is compared. */
export interface Peer {
  readonly name: string;
  /** What runs it, as a process could be started with it. */
  readonly commandLine: (files: ConfigurationFiles, place: Place) => readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** Has it part in a scenario? Undefined: in all. */
  readonly plays?: (scenario: string) => boolean;
}

/** This program, as it is installed: to be built first. */
export const ours: Peer = {
  name: 'ociregistry',
  commandLine: ({ config }) => [process.execPath, builtProgram, '--config-file', config, 'serve'],
};

/** Debian’s docker-registry (distribution 2.8). */
const dockerRegistry: Peer = {
  name: 'docker-registry',
  commandLine: ({ distribution: file }) => [programOf('docker-registry'), 'serve', file],
  plays: isNoStart,
};

const distribution: Peer = {
  name: 'distribution',
  commandLine: ({ distribution: file }) => [programOf('distribution'), 'serve', file],
  // As its own image does: without it each request is told to a collector that is not there.
  env: { OTEL_TRACES_EXPORTER: 'none' },
  plays: isNoStart,
};

/** They look at nothing when they start, however much there is, and would take a quarter of an hour to be filled. */
function isNoStart(scenario: string): boolean {
  return scenario !== 'start';
}

/** A server of `node:http` that has finished answers for manifests and no more: what can be reached at most. */
const ceiling: Peer = {
  name: 'ceiling',
  commandLine: (_, { port, tls }) => [
    ...([process.execPath, join(import.meta.dirname, 'ceiling.ts'), String(port)] as const),
    ...(tls === undefined ? [] : [tls.certFile, tls.keyFile]),
  ],
  plays: (scenario) => scenario === 'manifests',
};

/** Those that need not be named. */
export const atHand: readonly Peer[] = [dockerRegistry, distribution, ceiling];

const placeholder = /\{(config|distribution|zot|port|cache|upstream)\}/g;

/**
 * `--peer name=command`. The command is a line for sh in which `{config}`, `{distribution}` and `{zot}` stand for files, `{port}`, `{cache}` and
 * `{upstream}` for what is in them; one without any of these is run as this program is: with `--config-file {config} serve` behind it. Throws, in words for
 * who has typed it.
 */
export function peerOf(text: string): Peer {
  const [, name, command] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || command === undefined) throw new Error(`--peer is name=command, and not ${text}`);
  const line = command.search(placeholder) === -1 ? `${command} --config-file {config} serve` : command;
  return {
    name,
    // The shell gives its place, and its process number, to the server.
    commandLine: (files, place) => ['/bin/sh', '-c', `exec ${filled(line, files, place)}`],
  };
}

function filled(line: string, files: ConfigurationFiles, place: Place): string {
  const { port, upstream } = place;
  const values: Record<string, string> = { ...files, port: String(port), cache: cacheIn(place), upstream };
  return line.replaceAll(placeholder, (whole, word: string) => values[word] ?? whole);
}
