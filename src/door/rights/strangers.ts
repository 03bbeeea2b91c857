import type { Clock } from '../../base/clock.ts';
import { RegistryError } from '../../oci/error.ts';
import { FairQueue, type Waiting } from '../identity/fair-queue.ts';
import { WrongGuesses } from '../wrong-guesses.ts';
import type { Asker } from './shown-credential.ts';

/** So many are asked about at a time, and so many wait: a cluster that starts behind one address asks for hundreds of repositories at once. */
const atOnce = 8;
/** One of a network that has none under way goes beyond that: the registry may be slow to answer all that another asks. */
const mostAtOnce = 16;
const bounds = { most: 1024, mostOfOne: 512 };

interface Waiter extends Waiting {
  readonly begin: () => void;
}

/**
 * Whom a registry has not let have anything of a repository yet: their passwords are shown to it a few at a time, the networks in turn and each by itself where others take all, and none for a network that has just
 * shown many that were wrong. A registry that is asked with one wrong password after the other may lock out this server, and with it everybody.
 */
export class Strangers {
  readonly #guesses: WrongGuesses;
  readonly #queue = new FairQueue<Waiter>(bounds);
  #running = 0;
  /** Of each network that has any. */
  readonly #runningOf = new Map<string, number>();

  constructor(clock: Clock) {
    this.#guesses = new WrongGuesses(clock);
  }

  /** Throws TOOMANYREQUESTS (429) where the registry is not asked, else what `ask` does. */
  async ask<Value>({ network }: Asker, ask: () => Promise<Value>): Promise<Value> {
    this.#guesses.check(network);
    await this.#turn(network);
    try {
      // What came at once was not known to be wrong yet.
      this.#guesses.check(network);
      return await ask();
    } finally {
      this.#ended(network);
    }
  }

  /** The registry did not let him. */
  wasWrong({ network, key }: Asker): void {
    this.#guesses.add(network, key);
  }

  async #turn(owner: string): Promise<void> {
    const turn = Promise.withResolvers<void>();
    const waiter = { owner, begin: turn.resolve, giveUp: () => turn.reject(tooMany()) };
    if (!this.#queue.add(waiter)) throw tooMany();
    this.#next();
    await turn.promise;
  }

  #next(): void {
    for (;;) {
      const next = this.#running < atOnce ? this.#queue.take() : this.#outOfTurn();
      if (next === undefined) return;
      this.#running += 1;
      this.#runningOf.set(next.owner, (this.#runningOf.get(next.owner) ?? 0) + 1);
      next.begin();
    }
  }

  #outOfTurn(): Waiter | undefined {
    if (this.#running >= mostAtOnce) return undefined;
    return this.#queue.take((network) => !this.#runningOf.has(network));
  }

  #ended(network: string): void {
    const left = (this.#runningOf.get(network) ?? 0) - 1;
    if (left > 0) this.#runningOf.set(network, left);
    else this.#runningOf.delete(network);
    this.#running -= 1;
    this.#next();
  }
}

function tooMany(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', 'too many passwords are shown to the registry: try again', {
    headers: { 'Retry-After': '2' },
  });
}
