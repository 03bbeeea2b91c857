import { ownFault } from '#src/http/own-fault.ts';
import { RegistryError } from '#src/oci/error.ts';
import type { Server } from './server.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** What a client makes of an answer. `lost`: the server died; `left`: the client did not want more. */
export type Answer<Value> =
  | { readonly kind: 'ok'; readonly value: Value }
  | { readonly kind: 'failed'; readonly status: number }
  | { readonly kind: 'lost' }
  | { readonly kind: 'left' };

/** It does not want any more. */
export class LeftError extends Error {}

export interface Exchange<Value> {
  readonly work: (call: {
    readonly server: Server;
    readonly signal: AbortSignal;
    readonly leave: (reason: unknown) => void;
  }) => Promise<Value>;
  /** Told of an answer. */
  readonly answered?: () => void;
  readonly failed?: (error: unknown, status: number) => void;
  /** What the trace says of an answer. */
  readonly said?: () => string;
}

const lost = Symbol('lost');

/** What clients ask of one server, whatever that is, until it is answered or nobody is there any more. */
export class Exchanges {
  readonly #world: World;
  /** In front of what its server does, where there are several. */
  readonly name: string;
  /** The server that runs; undefined while none does. */
  server: Server | undefined;
  #asked = 0;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  /** Somebody asks the server for something. */
  async run<Value>(
    what: string,
    { work, answered, failed, said = () => '' }: Exchange<Value>,
  ): Promise<Answer<Value>> {
    const { server } = this;
    if (server === undefined) return { kind: 'lost' };
    const gone = new AbortController();
    this.#asked += 1;
    const name = `${this.name}${what} #${this.#asked}`;
    this.#world.waiting.set(name, this.#world.time);
    this.#world.scheduler.note(name);
    try {
      const leave = (reason: unknown): void => gone.abort(reason);
      const asking = work({ server, signal: gone.signal, leave });
      asking.catch(() => undefined);
      const value = await Promise.race([asking, server.life.crashed.then(() => lost)]);
      if (value === lost) {
        if (server.life.isAlive) gone.abort(new LeftError());
        return { kind: 'lost' };
      }
      this.#world.scheduler.note(`${name}: 200 ${said()}`);
      answered?.();
      return { kind: 'ok', value: value as Value };
    } catch (error) {
      if (error instanceof LeftError) return { kind: 'left' };
      const status = error instanceof RegistryError ? error.status : (ownFault(error)?.error.status ?? 500);
      this.#world.scheduler.note(`${name}: ${status} ${short(String(error))}`);
      failed?.(error, status);
      return { kind: 'failed', status };
    } finally {
      this.#world.waiting.delete(name);
    }
  }
}
