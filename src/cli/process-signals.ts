/** A supervisor may signal a whole group, and whoever passes signals on does so once more: that is one wish. Milliseconds. */
const sameSignalMs = 1000;

/**
 * What a server is told by signals. They are heard from before the first thing that may hang to the end, without a moment between: one that
 * nobody listens for ends the process in the middle of its work, or, where that is the first of a container, is lost.
 */
export class ProcessSignals {
  readonly #told = Promise.withResolvers<NodeJS.Signals>();
  #toldAt: number | undefined;
  #isAwaited = false;
  /** On SIGHUP. Before there is something to be opened again it is nothing. */
  hangUp: () => void = () => {};

  listen(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#hear(signal));
    process.on('SIGHUP', () => this.hangUp());
  }

  /** The first SIGTERM or SIGINT, for whoever sees to the end then. Until somebody does it ends the process at once, and so does a later one. */
  get stop(): Promise<NodeJS.Signals> {
    this.#isAwaited = true;
    return this.#told.promise;
  }

  /** As a SIGTERM would be heard, by whoever waits for the end. One that comes behind it is the first: whoever stops a container by a call sends it, too. */
  readonly end = (): void => this.#told.resolve('SIGTERM');

  #hear(signal: NodeJS.Signals): void {
    const now = performance.now();
    this.#toldAt ??= now;
    this.#told.resolve(signal);
    if (!this.#isAwaited || now - this.#toldAt > sameSignalMs) endAtOnce(signal);
  }
}

/**
 * By the signal itself: `process.exit` waits for threads, and one may hang in a file system that does not answer. The first process
 * of a container has no such end, but this.
 */
export function endAtOnce(signal: NodeJS.Signals): void {
  if (process.pid === 1) process.abort();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
