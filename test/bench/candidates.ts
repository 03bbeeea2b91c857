import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryGroup } from '../e2e/support/memory-group.ts';
import { Program } from '../e2e/support/program.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { until } from '../e2e/support/until.ts';
import { imageEnvironment } from '../image/environment.ts';
import { programOf } from '../setup/needs.ts';

/** `getconf CLK_TCK`: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;
/** Between a broken connection and the end of its process. Milliseconds. */
const endMs = 2000;

interface CandidateParts {
  readonly host: string;
  readonly directory: string;
  readonly program: Program;
  readonly pid: number;
  /** 0: it has no page of metrics. */
  readonly metricsPort: number;
  /** Undefined: nothing bounds its memory. */
  readonly group: MemoryGroup | undefined;
  readonly resources: AsyncDisposableStack;
}

/** How this program is run. */
interface OciregistryOptions {
  /** With its page of metrics. */
  readonly metrics?: boolean;
  /** As in a container of so many bytes: in a control group, with the image's variables. */
  readonly memoryLimit?: number;
  /** In the place of the image's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further keys of its configuration. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** What {@link Candidate} runs. */
interface Started {
  readonly program: Program;
  readonly group?: MemoryGroup | undefined;
}

/** One of the servers that are compared, as a process with an empty cache in front of the upstream. */
export class Candidate implements AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** With its configuration and `data/`. */
  readonly directory: string;
  readonly #parts: CandidateParts;

  private constructor(parts: CandidateParts) {
    this.host = parts.host;
    this.directory = parts.directory;
    this.#parts = parts;
  }

  /** This program. */
  static async ociregistry(upstream: string, options: OciregistryOptions = {}): Promise<Candidate> {
    const metricsPort = options.metrics === true ? await freePort() : 0;
    return await Candidate.#start(async (directory, port, resources) => {
      const file = join(directory, 'config.yaml');
      const content = {
        imagePath: join(directory, 'data'),
        host: '127.0.0.1',
        port,
        logLevel: 'error',
        metrics: metricsPort,
        defaultNs: upstream,
        registries: [{ name: upstream, scheme: 'http' }],
        ...options.settings,
      };
      await writeFile(file, JSON.stringify(content));
      const bin = join(import.meta.dirname, '../../src/bin.js');
      const commandLine = [process.execPath, bin, '--config-file', file, 'serve'] as const;
      return await startWithin(commandLine, options, resources);
    }, metricsPort);
  }

  /** Debian’s docker-registry as a pull-through cache, with the descriptor cache of Debian’s own configuration. */
  static async dockerRegistry(upstream: string): Promise<Candidate> {
    return await Candidate.#start(async (directory, port) => {
      const settings = join(directory, 'config.yml');
      const content = {
        version: 0.1,
        log: { level: 'error', accesslog: { disabled: true } },
        storage: {
          filesystem: { rootdirectory: join(directory, 'data') },
          cache: { blobdescriptor: 'inmemory' },
        },
        http: { addr: `127.0.0.1:${port}` },
        proxy: { remoteurl: `http://${upstream}` },
      };
      await writeFile(settings, JSON.stringify(content));
      return { program: new Program(programOf('docker-registry'), ['serve', settings]) };
    });
  }

  static async #start(
    run: (directory: string, port: number, resources: AsyncDisposableStack) => Promise<Started>,
    metricsPort = 0,
  ): Promise<Candidate> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const port = await freePort();
    const { program, group } = await run(path, port, resources);
    resources.use(program);
    const host = `127.0.0.1:${port}`;
    await until(`${host} answers`, async () => {
      const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
      return answer?.ok === true;
    });
    if (program.pid === undefined) throw new Error('the server did not start');
    return new Candidate({
      host,
      directory: path,
      program,
      pid: program.pid,
      metricsPort,
      group,
      resources: resources.move(),
    });
  }

  /** Is there an index to look at? */
  get isOurs(): boolean {
    return existsSync(indexIn(this.directory));
  }

  /** Processor time that it has used. Seconds, to a hundredth. */
  get cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#parts.pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  /** Memory that it holds now. MiB. */
  get residentMiB(): number {
    return this.#memory('VmRSS');
  }

  /** The most that it has held since its start, or since {@link forgetPeak}. MiB. */
  get peakMiB(): number {
    return this.#memory('VmHWM');
  }

  /** From now on {@link peakMiB} begins anew (proc(5), clear_refs). */
  forgetPeak(): void {
    writeFileSync(`/proc/${this.#parts.pid}/clear_refs`, '5');
  }

  /** Why it is no longer the process that was started, unhurt; undefined: it is. */
  async hurt(): Promise<string | undefined> {
    const { program, group } = this.#parts;
    // Who was cut off knows it before we do.
    await Promise.race([program.exited, sleep(endMs)]);
    const kills = (await group?.kills()) ?? 0;
    if (kills > 0) return `the kernel killed ${kills} of its processes`;
    if (program.hasEnded) return `it ended, and printed:\n${program.lines.slice(-30).join('\n')}`;
    return undefined;
  }

  /** What it has open now: connections, and files with all the rest. */
  get open(): { sockets: number; files: number } {
    const directory = `/proc/${this.#parts.pid}/fd`;
    const open = { sockets: 0, files: 0 };
    for (const name of readdirSync(directory)) {
      const target = targetOf(join(directory, name));
      if (target?.startsWith('socket:')) open.sockets += 1;
      else if (target !== undefined) open.files += 1;
    }
    return open;
  }

  /** Of its event loop since this was last asked, in milliseconds; it looks every ten, which counts. NaN without a page of metrics. */
  async loopDelay(): Promise<{ delayP99: number; delayMost: number }> {
    const answer = await fetch(`http://127.0.0.1:${this.#parts.metricsPort}/metrics`);
    const page = await answer.text();
    const milliseconds = (name: string) =>
      Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)$`, 'm').exec(page)?.[1]) * 1000;
    return { delayP99: milliseconds('p99'), delayMost: milliseconds('max') };
  }

  /** As a crash does. */
  async kill(): Promise<void> {
    await this.#parts.program.stop('SIGKILL');
  }

  /** MiB. */
  #memory(field: 'VmRSS' | 'VmHWM'): number {
    const status = readFileSync(`/proc/${this.#parts.pid}/status`, 'latin1');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.resources[Symbol.asyncDispose]();
  }
}

async function startWithin(
  [node, ...args]: readonly [string, ...string[]],
  { memoryLimit, env }: OciregistryOptions,
  resources: AsyncDisposableStack,
): Promise<Started> {
  if (memoryLimit === undefined) return { program: new Program(node, args, env) };
  const group = resources.use(await MemoryGroup.open(memoryLimit));
  const [shell, ...line] = group.around([node, ...args]);
  return { program: new Program(shell, line, env ?? (await imageEnvironment())), group };
}

/** Undefined: it was closed meanwhile. */
function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

/** Our index, in a candidate's directory. */
export function indexIn(directory: string): string {
  return join(directory, 'data/v1/index-3.sqlite');
}

/** One that was free a moment ago: docker-registry does not say at this log level which it took. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
