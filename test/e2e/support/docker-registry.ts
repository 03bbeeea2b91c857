import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programOf } from './needs.ts';
import { Program } from './program.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { until } from './until.ts';

/** Debian’s docker-registry (distribution 2.8): the upstream. */
export class DockerRegistry implements AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly #program: Program;
  readonly #resources: AsyncDisposableStack;
  #marks = 0;

  private constructor(host: string, program: Program, resources: AsyncDisposableStack) {
    this.host = host;
    this.#program = program;
    this.#resources = resources;
  }

  static async start(): Promise<DockerRegistry> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const settings = join(path, 'config.yml');
    await writeFile(settings, JSON.stringify(settingsIn(path)));
    const program = resources.use(new Program(programOf('docker-registry'), ['serve', settings]));
    const [, host = ''] = await program.line(/listening on (127\.0\.0\.1:\d+)/);
    return new DockerRegistry(host, program, resources.move());
  }

  get url(): string {
    return `http://${this.host}`;
  }

  /** The requests of the program under test since the last call, as `GET /v2/…`, in the order in which they ended. */
  async takeRequests(): Promise<string[]> {
    this.#marks += 1;
    const mark = `/mark-${this.#marks}`;
    await fetch(`${this.url}${mark}`);
    const lines = this.#program.lines;
    await until('the log has caught up', async () => lines.some((line) => line.includes(mark)));
    return lines.splice(0).flatMap((line) => / "([A-Z]+ \S+) HTTP.* "ociregistry\//.exec(line)?.[1] ?? []);
  }

  /** From now on connections are refused. */
  async stop(): Promise<void> {
    await this.#program.stop('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

function settingsIn(directory: string) {
  return {
    version: 0.1,
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: join(directory, 'data') } },
    http: { addr: '127.0.0.1:0' },
  };
}
