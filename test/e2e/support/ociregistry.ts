import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from './content.ts';
import { type Exit, Program } from './program.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { until } from './until.ts';

const bin = join(import.meta.dirname, '../../../src/bin.js');

export interface Start {
  /** Further keys of the configuration file. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The Node that runs `src/bin.js`. */
  readonly node?: string;
  /** Further variables of the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The program under test: `ociregistry serve` on a directory that survives its restarts. */
export class Ociregistry implements AsyncDisposable {
  readonly #start: Start;
  readonly #directory: string;
  readonly #resources: AsyncDisposableStack;
  #process: RunningServer;

  private constructor(
    start: Start,
    directory: string,
    resources: AsyncDisposableStack,
    first: RunningServer,
  ) {
    this.#start = start;
    this.#directory = directory;
    this.#resources = resources;
    this.#process = first;
    resources.defer(async () => await this.#process.program[Symbol.asyncDispose]());
  }

  static async start(start: Start = {}): Promise<Ociregistry> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const settings = { imagePath: join(path, 'data'), host: '127.0.0.1', port: 0, logLevel: 'info' };
    await writeFile(configurationIn(path), JSON.stringify({ ...settings, ...start.settings }));
    const first = await serve(start, path);
    return new Ociregistry(start, path, resources.move(), first);
  }

  /** `http://127.0.0.1:port`; another port after a restart. */
  get url(): string {
    return this.#process.url;
  }

  get host(): string {
    return new URL(this.url).host;
  }

  /** The versioned directory, an OCI image layout. */
  get layout(): string {
    return join(this.#directory, 'data/v1');
  }

  /** The digests of the blobs on disk, each checked against its bytes. */
  async storedDigests(): Promise<Set<string>> {
    const folder = join(this.layout, 'blobs/sha256');
    const digests = (await readdir(folder)).map(async (hex) => {
      const digest = digestOf(await readFile(join(folder, hex)));
      if (digest !== `sha256:${hex}`) throw new Error(`${hex} holds the bytes of ${digest}`);
      return digest;
    });
    return new Set(await Promise.all(digests));
  }

  /** Waits until the blobs of a repository (its path after `/v2/`) would be served without upstream, also by the next process. */
  async stores(path: string, digests: Iterable<string>): Promise<void> {
    for (const digest of digests) {
      const isHit = async () => {
        const response = await fetch(`${this.url}/v2/${path}/blobs/${digest}`, { method: 'HEAD' });
        return response.headers.get('cache-status') === 'ociregistry; hit';
      };
      await until(`${path} has ${digest} on disk`, isHit);
    }
  }

  /** How many bytes lie in files that are being filled. */
  async partialBytes(): Promise<number> {
    const folder = join(this.layout, 'partial');
    // Those of small blobs go while we look.
    const sizes = (await readdir(folder)).map(async (name) => await sizeOf(join(folder, name)));
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  /** The requests so far, as `GET /v2/…`, in the order in which they ended. */
  requests(): string[] {
    const requests = this.#process.program.lines.filter((line) => line.includes('"msg":"request"'));
    return requests.map((line) => {
      const { method, url } = JSON.parse(line) as { method: string; url: string };
      return `${method} ${url}`;
    });
  }

  /** All that the program printed since it was started the last time. */
  get output(): string {
    return this.#process.program.lines.join('\n');
  }

  /** Stops the process where it is: its port takes connections, and nobody answers. SIGKILL ends it all the same. */
  freeze(): void {
    const { pid } = this.#process.program;
    if (pid !== undefined) process.kill(pid, 'SIGSTOP');
  }

  get pid(): number {
    const { pid } = this.#process.program;
    if (pid === undefined) throw new Error('it did not start');
    return pid;
  }

  /** Ends the process: SIGTERM as an operator does, SIGKILL as a crash does. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<Exit> {
    return await this.#process.program.stop(signal);
  }

  /** For what does not end it. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this.#process.program;
    if (pid !== undefined) process.kill(pid, signal);
  }

  /** Starts again on the same directory. */
  async startAgain(): Promise<void> {
    this.#process = await serve(this.#start, this.#directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0;
  }
}

interface RunningServer {
  readonly program: Program;
  readonly url: string;
}

function configurationIn(directory: string): string {
  return join(directory, 'config.yaml');
}

async function serve({ node = process.execPath, env }: Start, directory: string): Promise<RunningServer> {
  const program = new Program(node, [bin, '--config-file', configurationIn(directory), 'serve'], env);
  try {
    const { input } = await program.line(/"msg":"server is running"/);
    return { program, url: (JSON.parse(input) as { url: string }).url };
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}
