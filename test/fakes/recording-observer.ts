import type { ObservedRequest, Observer, UpstreamCall } from '#src/observe/observer.ts';

/** Keeps what it is told. */
export class RecordingObserver implements Observer {
  readonly requests: ObservedRequest[] = [];
  readonly calls: UpstreamCall[] = [];
  /** `manifest 368`, in turn. */
  readonly received: string[] = [];
  #told = Promise.withResolvers<void>();

  request(request: ObservedRequest): void {
    this.requests.push(request);
    this.#told.resolve();
    this.#told = Promise.withResolvers();
  }

  upstreamCall(call: UpstreamCall): void {
    this.calls.push(call);
  }

  upstreamBytes(_host: string, kind: string, bytes: number): void {
    this.received.push(`${kind} ${bytes}`);
  }

  /** Settles when so many requests are over. */
  async until(count: number): Promise<void> {
    while (this.requests.length < count) await this.#told.promise;
  }

  /** `manifest hit`, in turn. */
  get words(): string[] {
    return this.requests.map(({ kind, result }) => `${kind} ${result}`);
  }
}
