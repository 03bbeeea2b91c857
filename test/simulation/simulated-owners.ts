import type { OwnerLife, Owners } from '#src/storage/owners.ts';
import type { Life } from './life.ts';

/** Which lives of the server there were: one after the other. */
export class SimulatedOwners {
  readonly #lives = new Map<string, Life>();

  /** As one of them sees it. */
  of(life: Life): Owners {
    const mine = this.#lives.size.toString(16).padStart(16, '0');
    this.#lives.set(mine, life);
    return {
      mine,
      lifeOf: async (owner) => this.#lifeOf(owner),
      async forget() {},
      async renew() {},
      [Symbol.dispose]() {},
    };
  }

  #lifeOf(owner: string): OwnerLife {
    const life = this.#lives.get(owner);
    if (life === undefined) return 'unknown';
    return life.isAlive ? 'alive' : 'dead';
  }
}
