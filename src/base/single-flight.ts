/** One run per key at a time: callers that come while it runs share its promise, error included. */
export class SingleFlight<Key, Value> {
  readonly #running = new Map<Key, Promise<Value>>();
  readonly #lasts: (value: Value) => Promise<void> | undefined;

  /** `lasts`: what of a value must have settled before the key is run again. Default: nothing. */
  constructor(lasts: (value: Value) => Promise<void> | undefined = () => undefined) {
    this.#lasts = lasts;
  }

  run(key: Key, work: () => Promise<Value>): Promise<Value> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const end = (): void => void this.#running.delete(key);
    const started = work().then(
      (value) => {
        const lasting = this.#lasts(value);
        if (lasting === undefined) end();
        else void lasting.then(end, end);
        return value;
      },
      (error: unknown) => {
        end();
        throw error;
      },
    );
    this.#running.set(key, started);
    return started;
  }

  has(key: Key): boolean {
    return this.#running.has(key);
  }
}
