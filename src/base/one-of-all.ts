import { Slots } from './slots.ts';

/** Long work that holds up others a little: one piece at a time; of those that wait, whoever has fewest waiting before him is next. */
export class OneOfAll {
  readonly #slots = new Slots(1);
  /** How many are there on behalf of each. */
  readonly #owners = new Map<string, number>();

  /** Rejects with the signal's reason while it waits, and as `work` does. */
  async run<Value>(owner: string, signal: AbortSignal, work: () => Promise<Value>): Promise<Value> {
    const before = this.#owners.get(owner) ?? 0;
    this.#owners.set(owner, before + 1);
    try {
      await this.#slots.take(signal, () => -before);
      try {
        return await work();
      } finally {
        this.#slots.giveBack();
      }
    } finally {
      const left = (this.#owners.get(owner) ?? 1) - 1;
      if (left === 0) this.#owners.delete(owner);
      else this.#owners.set(owner, left);
    }
  }
}
