import { getEventListeners } from 'node:events';

/**
 * Node keeps a signal that is made of others for as long as somebody listens to it, until it is aborted: whatever a crashed life waits for, which
 * never comes, would be kept as long as this process, and the whole scenario with it. While it is not disposed of it remembers such
 * signals; then nobody listens to them any more.
 */
export class ForsakenSignals implements Disposable {
  readonly #any = AbortSignal.any;
  readonly #made: WeakRef<AbortSignal>[] = [];

  constructor() {
    AbortSignal.any = (signals) => {
      const made = this.#any.call(AbortSignal, signals);
      this.#made.push(new WeakRef(made));
      return made;
    };
  }

  [Symbol.dispose](): void {
    AbortSignal.any = this.#any;
    for (const reference of this.#made) {
      const signal = reference.deref();
      if (signal === undefined) continue;
      for (const listener of getEventListeners(signal, 'abort'))
        signal.removeEventListener('abort', listener as () => void);
    }
  }
}
