import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Program } from '../e2e/support/program.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { until } from '../e2e/support/until.ts';
import { programOf } from '../setup/needs.ts';

/** `getconf CLK_TCK`: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

interface CandidateParts {
  readonly host: string;
  readonly directory: string;
  readonly program: Program;
  readonly pid: number;
  /** 0: it has no page of metrics. */
  readonly metricsPort: number;
  readonly resources: AsyncDisposableStack;
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

  /** This program; `metrics`: with its page of them. */
  static async ociregistry(upstream: string, { metrics = false } = {}): Promise<Candidate> {
    const metricsPort = metrics ? await freePort() : 0;
    return await Candidate.#start(async (directory, port) => {
      const settings = join(directory, 'config.yaml');
      const content = {
        imagePath: join(directory, 'data'),
        host: '127.0.0.1',
        port,
        logLevel: 'error',
        metrics: metricsPort,
        defaultNs: upstream,
        registries: [{ name: upstream, scheme: 'http' }],
      };
      await writeFile(settings, JSON.stringify(content));
      const bin = join(import.meta.dirname, '../../src/bin.js');
      return new Program(process.execPath, [bin, '--config-file', settings, 'serve']);
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
      return new Program(programOf('docker-registry'), ['serve', settings]);
    });
  }

  static async #start(
    run: (directory: string, port: number) => Promise<Program>,
    metricsPort = 0,
  ): Promise<Candidate> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const port = await freePort();
    const program = resources.use(await run(path, port));
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
    const status = readFileSync(`/proc/${this.#parts.pid}/status`, 'latin1');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
  }

  /** Files and sockets that it has open now. */
  get openFiles(): number {
    return readdirSync(`/proc/${this.#parts.pid}/fd`).length;
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.resources[Symbol.asyncDispose]();
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
