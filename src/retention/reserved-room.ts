import type { RegistryHost } from '../oci/reference.ts';
import type { Limits } from './limits.ts';

interface Held {
  readonly bytes: number;
  readonly come: () => number;
}

/** What is on its way to the store, and whether it may come. */
export class ReservedRoom {
  readonly #limits: Limits;
  readonly #isStuck: (host: RegistryHost) => boolean;
  readonly #grown: () => void;
  readonly #held = new Set<Held>();
  #bytes = 0;

  /** `isStuck`: may nothing more of a registry come? `grown` is told when more is to come. */
  constructor(limits: Limits, isStuck: (host: RegistryHost) => boolean, grown: () => void) {
    this.#limits = limits;
    this.#isStuck = isStuck;
    this.#grown = grown;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What of it the file system does not have yet. */
  get toCome(): number {
    return this.#held.values().reduce((sum, { bytes, come }) => sum + Math.max(0, bytes - come()), 0);
  }

  admits(host: RegistryHost, bytes = 0): boolean {
    return !this.#isStuck(host) && bytes <= this.#mostOf(host);
  }

  /** `come`: how much of it has come by now. Undefined: it is larger than all that may be kept, or there is no room for anything. */
  reserve(host: RegistryHost, bytes = 0, come = (): number => 0): Disposable | undefined {
    if (!this.admits(host, bytes)) return undefined;
    const its = { bytes, come };
    this.#bytes += bytes;
    this.#held.add(its);
    this.#grown();
    const held = new DisposableStack();
    held.defer(() => {
      this.#bytes -= bytes;
      this.#held.delete(its);
    });
    return held;
  }

  #mostOf(host: RegistryHost): number {
    const { maxSize, registries } = this.#limits;
    const own = registries.get(host) ?? Number.POSITIVE_INFINITY;
    return Math.min(own, maxSize === 0 ? Number.POSITIVE_INFINITY : maxSize);
  }
}
