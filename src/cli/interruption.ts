import { RegistryError } from '../oci/error.ts';

const signals = ['SIGINT', 'SIGTERM'] as const;

/** Hears the first SIGINT or SIGTERM while work goes on that is to end in good order; the second ends the process. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #interrupt = (): void => {
    this[Symbol.dispose]();
    this.#controller.abort(new RegistryError('UNAVAILABLE', 'interrupted'));
  };

  constructor() {
    for (const name of signals) process.once(name, this.#interrupt);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const name of signals) process.removeListener(name, this.#interrupt);
  }
}
