import { programOf } from '../../setup/needs.ts';
import { freePort } from './free-port.ts';
import { Program } from './program.ts';

/** Debian’s redis-server on loopback, for whoever knows the password; it keeps nothing. */
export class Redis implements AsyncDisposable {
  readonly #port: number;
  readonly #password: string;
  #program: Program;

  private constructor(port: number, password: string, program: Program) {
    this.#port = port;
    this.#password = password;
    this.#program = program;
  }

  static async start(password: string): Promise<Redis> {
    const port = await freePort();
    return new Redis(port, password, await begin(port, password));
  }

  get url(): string {
    return `redis://:${this.#password}@127.0.0.1:${this.#port}`;
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }

  /** At the same place, with nothing of what it knew. */
  async startAgain(): Promise<void> {
    this.#program = await begin(this.#port, this.#password);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}

async function begin(port: number, password: string): Promise<Program> {
  const settings = { port: String(port), bind: '127.0.0.1', save: '', requirepass: password };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const program = new Program(programOf('redis-server'), args);
  await program.line(/Ready to accept connections/);
  return program;
}
