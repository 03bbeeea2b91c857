import type { RegistryHost } from '../oci/reference.ts';
import type { Limits } from './limits.ts';

/** What is on its way to the store, and whether it may come. */
export class ReservedRoom {
  readonly #limits: Limits;
  readonly #isStuck: (host: RegistryHost) => boolean;
  readonly #grown: () => void;
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

  admits(host: RegistryHost, bytes = 0): boolean {
    return !this.#isStuck(host) && bytes <= this.#mostOf(host);
  }

  /** Undefined: it is larger than all that may be kept, or there is no room for anything. */
  reserve(host: RegistryHost, bytes = 0): Disposable | undefined {
    if (!this.admits(host, bytes)) return undefined;
    this.#bytes += bytes;
    this.#grown();
    const held = new DisposableStack();
    held.defer(() => {
      this.#bytes -= bytes;
    });
    return held;
  }

  #mostOf(host: RegistryHost): number {
    const { maxSize, registries } = this.#limits;
    const own = registries.get(host) ?? Number.POSITIVE_INFINITY;
    return Math.min(own, maxSize === 0 ? Number.POSITIVE_INFINITY : maxSize);
  }
}
