import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../e2e/support/free-port.ts';
import { MemoryGroup } from '../e2e/support/memory-group.ts';
import { Program } from '../e2e/support/program.ts';
import { imageEnvironment } from '../image/environment.ts';
import { cacheIn, configurationIn, type Place, writeConfigurations } from './configurations.ts';
import { type Address, Connection, requestOf } from './connection.ts';
import { type Expected, exchange } from './load.ts';
import { type LoopDelay, loopDelayIn } from './metrics-page.ts';
import { ownDirectory } from './own-directory.ts';
import type { Peer } from './peers.ts';
import { type Open, ProcessTree, type Usage } from './process-tree.ts';
import type { Tls } from './tls.ts';

/** Between a broken connection and the end of its process. Milliseconds. */
const endMs = 2000;
/** How long a server may take to begin; and how often it is asked meanwhile. Milliseconds. */
const startLimitMs = 120_000;
const askMs = 2;

/** What is asked: `tls` of the server is that of its upstream. */
interface Asked {
  readonly host: string;
  readonly tls?: Tls | undefined;
}

interface StartOptions {
  /** With its page of metrics. */
  readonly metrics?: boolean;
  /** It is pushed to, and asks nobody. */
  readonly isHosting?: true;
  /** As in a container of so many bytes: in a control group, with the image's variables. */
  readonly memoryLimit?: number;
  /** In the place of the image's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further keys of this program's configuration. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Puts into its cache what is there before it begins. */
  readonly fill?: (cache: string) => Promise<void>;
}

/** How the process is run, again and again. */
interface Line {
  readonly commandLine: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** Undefined: nothing bounds its memory. */
  readonly group: MemoryGroup | undefined;
}

/** One of the servers that are compared, as a process with an empty cache in front of an upstream. */
export class Candidate implements AsyncDisposable, Address {
  readonly host: string;
  readonly ca: string | undefined;
  /** With its configurations and `data/`. */
  readonly directory: string;
  readonly #metricsPort: number;
  readonly #line: Line;
  readonly #resources: AsyncDisposableStack;
  #program: Program;

  private constructor(place: Place, line: Line, resources: AsyncDisposableStack) {
    this.host = `127.0.0.1:${place.port}`;
    this.ca = place.tls?.ca;
    this.directory = place.directory;
    this.#metricsPort = place.metricsPort;
    this.#line = line;
    this.#resources = resources;
    this.#program = begin(line);
  }

  /** Resolves when it answers. */
  static async start(peer: Peer, upstream: Asked, options: StartOptions = {}): Promise<Candidate> {
    await using resources = new AsyncDisposableStack();
    const { path: directory } = resources.use(await ownDirectory());
    const { memoryLimit, isHosting, settings = {} } = options;
    const metricsPort = options.metrics === true ? await freePort() : 0;
    const { host, tls } = upstream;
    const place = {
      directory,
      port: await freePort(),
      metricsPort,
      upstream: host,
      tls,
      isHosting,
      settings,
    };
    const group = memoryLimit === undefined ? undefined : resources.use(await MemoryGroup.open(memoryLimit));
    const commandLine = peer.commandLine(await writeConfigurations(place), place);
    await options.fill?.(cacheIn(place));
    const env = options.env ?? (group === undefined ? {} : await imageEnvironment());
    const line = { commandLine, group, env: { ...trusting(tls), ...peer.env, ...env } };
    const candidate = new Candidate(place, line, resources.move());
    try {
      await candidate.#answers(isThere(candidate.host));
    } catch (error) {
      await candidate[Symbol.asyncDispose]();
      throw error;
    }
    return candidate;
  }

  /** Is there an index to look at? */
  get isOurs(): boolean {
    return existsSync(indexIn(this.directory));
  }

  /** Processor time that it has used. */
  get usage(): Usage {
    return this.#processes.usage;
  }

  /** Memory that it holds now. MiB. */
  get residentMiB(): number {
    return this.#processes.residentMiB;
  }

  /** The most that it has held since its start, or since {@link forgetPeak}. MiB. */
  get peakMiB(): number {
    return this.#processes.peakMiB;
  }

  /** From now on {@link peakMiB} begins anew. */
  forgetPeak(): void {
    this.#processes.forgetPeak();
  }

  /** What it has open now. */
  get open(): Open {
    return this.#processes.open;
  }

  /** Written since its start, to files, sockets and all else. */
  get writtenBytes(): number {
    return this.#processes.writtenBytes;
  }

  /** Why it is no longer the process that was started, unhurt; undefined: it is. */
  async hurt(): Promise<string | undefined> {
    // Who was cut off knows it before we do.
    await Promise.race([this.#program.exited, sleep(endMs)]);
    const kills = (await this.#line.group?.kills()) ?? 0;
    if (kills > 0) return `the kernel killed ${kills} of its processes`;
    return this.#program.hasEnded ? this.#ending : undefined;
  }

  /**
   * How late its event loop was since this was last asked, in milliseconds. NaN where it has no page of metrics,
   * or one that does not say it.
   */
  async loopDelay(): Promise<LoopDelay> {
    return loopDelayIn(await this.metricsPage());
  }

  /** As Prometheus reads it; '' where it has none. */
  async metricsPage(): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#metricsPort}/metrics`).catch(() => undefined);
    return (await answer?.text()) ?? '';
  }

  /** The file that {@link restart} reads again. */
  get configurationFile(): string {
    return configurationIn(this.directory);
  }

  /** Ends as it is told to and begins again on what it has; resolves to how long it took until the first right answer. Milliseconds. */
  async restart(expected: Expected): Promise<number> {
    await this.#program[Symbol.asyncDispose]();
    const begunAt = performance.now();
    this.#program = begin(this.#line);
    await this.#answers(async (connection) => await exchange(connection, expected));
    return performance.now() - begunAt;
  }

  /** As a crash does. */
  async kill(): Promise<void> {
    await this.#program.stop('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
    await this.#resources[Symbol.asyncDispose]();
  }

  get #processes(): ProcessTree {
    if (this.#program.pid === undefined) throw new Error('the server did not start');
    return new ProcessTree(this.#program.pid);
  }

  get #ending(): string {
    return `it ended, and printed:\n${this.#program.lines.slice(-30).join('\n')}`;
  }

  /** Asks until it does not throw. Who is not there yet refuses the connection. */
  async #answers(ask: (connection: Connection) => Promise<void>): Promise<void> {
    const end = performance.now() + startLimitMs;
    for (;;) {
      using connection = new Connection(this);
      const failure = await ask(connection).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) return;
      if (this.#program.hasEnded) throw new Error(this.#ending);
      if (performance.now() > end)
        throw new Error(`${this.host} does not answer as it must: ${String(failure)}`);
      await sleep(askMs);
    }
  }
}

/** Any body: each says it in other words. */
function isThere(host: string): (connection: Connection) => Promise<void> {
  return async (connection) => {
    const { status } = await connection.send(requestOf('GET', host, '/v2/'));
    if (status !== 200) throw new Error(`status ${status}`);
  };
}

function begin({ commandLine, group, env }: Line): Program {
  const [file, ...args] = group?.around(commandLine) ?? commandLine;
  return new Program(file, args, env);
}

/** A program in Go asks for authorities by this alone. */
function trusting(tls: Tls | undefined): Record<string, string> {
  return tls === undefined ? {} : { SSL_CERT_FILE: tls.caFile };
}

/** Our index, in a candidate's directory. */
export function indexIn(directory: string): string {
  return join(cacheIn({ directory }), 'v1/index-3.sqlite');
}
