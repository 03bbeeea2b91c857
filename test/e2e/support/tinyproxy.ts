import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { programOf } from '../../setup/needs.ts';
import { Program } from './program.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Debian’s tinyproxy on loopback, for whoever knows the password. */
export class Tinyproxy implements AsyncDisposable {
  readonly host: string;
  readonly #program: Program;
  readonly #resources: AsyncDisposableStack;

  private constructor(host: string, program: Program, resources: AsyncDisposableStack) {
    this.host = host;
    this.#program = program;
    this.#resources = resources;
  }

  static async start(user: string, password: string): Promise<Tinyproxy> {
    await using resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const port = await freePort();
    const file = join(path, 'tinyproxy.conf');
    const lines = [`Port ${port}`, 'Listen 127.0.0.1', 'Timeout 30', 'MaxClients 100', 'LogLevel Info'];
    await writeFile(file, `${[...lines, `BasicAuth ${user} ${password}`].join('\n')}\n`);
    const program = resources.use(new Program(programOf('tinyproxy'), ['-d', '-c', file]));
    await program.line(/Accepting connections/);
    return new Tinyproxy(`127.0.0.1:${port}`, program, resources.move());
  }

  /** What it was asked so far: `CONNECT 127.0.0.1:5000`, `GET http://127.0.0.1:5000/v2/…`. */
  get calls(): string[] {
    return this.#program.lines.flatMap(
      (line) => /Request \(file descriptor \d+\): (.+) HTTP/.exec(line)?.[1] ?? [],
    );
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** It cannot be told to take any. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
