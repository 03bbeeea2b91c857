import type { LookupAddress } from 'node:dns';
import type { Addresses, Resolve } from '#src/net/dial/addresses.ts';

interface Pending {
  readonly name: string;
  readonly answer: PromiseWithResolvers<Addresses>;
}

/** A system that looks names up and says nothing until the test does, as with a name server that is silent. */
export class ScriptedNames {
  /** All names that were looked up, in turn. */
  readonly asked: string[] = [];
  #pending: Pending[] = [];
  /** The most that were looked up at a time. */
  most = 0;

  readonly resolve: Resolve = async (name) => {
    const pending = { name, answer: Promise.withResolvers<Addresses>() };
    this.asked.push(name);
    this.#pending.push(pending);
    this.most = Math.max(this.most, this.#pending.length);
    try {
      return await pending.answer.promise;
    } finally {
      this.#pending = this.#pending.filter((other) => other !== pending);
    }
  };

  /** So many lookups hang now. */
  get hanging(): number {
    return this.#pending.length;
  }

  /** The lookup of this name that hangs ends. */
  answer(name: string, ...addresses: readonly string[]): void {
    this.#of(name).resolve(addresses.map(addressOf));
  }

  fail(name: string, code: string): void {
    this.#of(name).reject(Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code, hostname: name }));
  }

  #of(name: string): Pending['answer'] {
    const found = this.#pending.find((pending) => pending.name === name);
    if (found === undefined) throw new Error(`nobody looks for ${name}`);
    return found.answer;
  }
}

export function addressOf(address: string): LookupAddress {
  return { address, family: address.includes(':') ? 6 : 4 };
}
