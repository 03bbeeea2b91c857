import type { RegistryHost } from '../oci/reference.ts';

/** Registries that are left alone for the rest of a pass: those that limit us, and those of which so many repositories in a row failed. */
export class FailingRegistries {
  /** One that fails says only something of itself. */
  readonly enough = 3;
  readonly #inARow = new Map<RegistryHost, number>();

  has(host: RegistryHost): boolean {
    return (this.#inARow.get(host) ?? 0) >= this.enough;
  }

  note(host: RegistryHost, hasFailed: boolean): void {
    if (this.has(host)) return;
    this.#inARow.set(host, hasFailed ? (this.#inARow.get(host) ?? 0) + 1 : 0);
  }

  limited(host: RegistryHost): void {
    this.#inARow.set(host, this.enough);
  }
}
