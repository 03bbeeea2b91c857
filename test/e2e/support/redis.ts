import { createClient, type RedisClientType } from '@redis/client';
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

  /** What it counts by each key, and for how many seconds more. */
  async counts(): Promise<ReadonlyMap<string, { readonly count: number; readonly left: number }>> {
    return await this.#asked(async (client) => {
      const keys = await client.keys('*');
      const counted = keys.map(async (key) => {
        const [count, left] = [await client.get(key), await client.ttl(key)];
        return [key, { count: Number(count), left }] as const;
      });
      return new Map(await Promise.all(counted));
    });
  }

  /** How often it was told to do each of these. */
  async timesOf(...commands: readonly string[]): Promise<readonly number[]> {
    const statistics = await this.#asked(async (client) => await client.info('commandstats'));
    return commands.map((name) =>
      Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(statistics)?.[1] ?? 0),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }

  async #asked<Answer>(ask: (client: RedisClientType) => Promise<Answer>): Promise<Answer> {
    const client: RedisClientType = createClient({ url: this.url });
    await client.connect();
    try {
      return await ask(client);
    } finally {
      client.destroy();
    }
  }
}

async function begin(port: number, password: string): Promise<Program> {
  const settings = { port: String(port), bind: '127.0.0.1', save: '', requirepass: password };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const program = new Program(programOf('redis-server'), args);
  await program.line(/Ready to accept connections/);
  return program;
}
