import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { RegistryError } from '../../oci/error.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { RangeSpec } from '../../oci/registry.ts';
import type { Follower } from './fill-followers.ts';
import type { FillSize } from './fill-size.ts';
import { RangeRequest, type RangeRequestParts } from './range-request.ts';
import { near, soonMs } from './speed.ts';

/** So many requests run at a time for parts of one blob. */
const maxRequests = 4;
/** A part is at least so long, and ends at a multiple of it: what is asked for a little at a time costs few requests. Bytes. */
const minRequested = 1024 * 1024;
/** After so many in a row that brought hardly anything no more are asked for: the rest of the blob comes in order. */
const maxVain = 3;
/** What has come while this process was held up is read within this time. Milliseconds. */
const readMs = 10;

export interface RangeRequestsParts extends Omit<RangeRequestParts, 'wanted'> {
  readonly digest: Digest;
  readonly repository: RepositoryName;
  readonly size: FillSize;
  readonly clock: Clock;
  readonly log: Log;
  /** What comes in order has reached this byte. */
  readonly inOrder: () => number;
  /** Does that bring this byte soon, though it may be between two requests? */
  readonly comesInOrder: (byte: number) => boolean;
}

/**
 * Fetches what a client wants of a blob further ahead than what runs brings soon, by requests of its own: containerd fetches the parts
 * of a layer side by side, lazy pullers (eStargz, SOCI, Nydus) ask for its end first.
 */
export class RangeRequests {
  readonly #parts: RangeRequestsParts;
  readonly #running = new Set<RangeRequest>();
  readonly #end = new AbortController();
  readonly #signal: AbortSignal;
  #vain = 0;
  #look: Disposable | undefined;

  constructor(parts: RangeRequestsParts) {
    this.#parts = parts;
    this.#signal = AbortSignal.any([parts.signal, this.#end.signal]);
  }

  /** A client waits for the byte where its follower is. Does nothing where that is on its way, or cannot be fetched by itself. */
  want({ at, until, isClient }: Follower): void {
    const { comesInOrder, inOrder, runs, size } = this.#parts;
    const whole = size.known;
    if (!isClient || whole === undefined || at <= inOrder() || at >= whole) return;
    if (runs.bringsSoon(at) || comesInOrder(at)) this.#lookAgain();
    else this.#ask(at, until, whole);
  }

  /**
   * A client wants a range of a blob of which nothing has come yet, of so many bytes by what is known, or its manifest claims: what is far
   * ahead by that, or at the end of who knows how many, is asked for at once. Where the claim is wrong, or there are few, that is in vain.
   */
  foresee(spec: RangeSpec, claimed = Number.POSITIVE_INFINITY): void {
    const { inOrder, runs, source } = this.#parts;
    if (!runs.isEmpty || source.isQueued) return;
    if ('suffix' in spec && claimed === Number.POSITIVE_INFINITY) {
      if (spec.suffix > 0 && spec.suffix <= near && !this.#isEndAskedFor) this.#request(spec);
      return;
    }
    const at = 'suffix' in spec ? claimed - spec.suffix : spec.first;
    const until = 'suffix' in spec ? claimed : (spec.last ?? claimed) + 1;
    if (at > inOrder() + near && at < Math.min(until, claimed)) this.#ask(at, until, claimed);
  }

  #ask(at: number, until: number, whole: number): void {
    if (this.#isAskedFor(at) || this.#parts.tape.here.endFrom(at) > at) return;
    const end = this.#endOf(at, Math.min(until, whole), whole);
    this.#request({ first: at, last: Number.isFinite(end) ? end - 1 : undefined });
  }

  #request(wanted: RangeSpec): void {
    if (!this.#mayAsk) return;
    const { digest, log, repository } = this.#parts;
    log.debug({ digest, repository, ...wanted }, 'a part of a blob is fetched ahead of the rest');
    const request = new RangeRequest({ ...this.#parts, wanted, signal: this.#signal });
    this.#running.add(request);
    void request.done.then(
      () => this.#ended(request, undefined),
      (error: unknown) => this.#ended(request, error),
    );
  }

  get #mayAsk(): boolean {
    const { source, tape } = this.#parts;
    if (this.#vain >= maxVain || this.#running.size >= maxRequests) return false;
    return source.givesParts && tape.isStored && !this.#signal.aborted;
  }

  /** What was said to be here soon may not come. Timers are told of before the network: whoever looks late has not read yet what came meanwhile. */
  #lookAgain(): void {
    const { clock, followers } = this.#parts;
    this.#look ??= clock.after(soonMs, () => {
      this.#look = clock.after(readMs, () => {
        this.#look = undefined;
        followers.wake();
      });
    });
  }

  /** What comes in order waits for its turn at upstream, and has not begun: nor do those that were asked for ahead of it. */
  giveWay(): void {
    for (const request of this.#running) request.giveWay();
  }

  /** A client has left: what nobody wants any more ends soon. */
  left(): void {
    for (const request of this.#running) request.cutUnwanted(minRequested);
  }

  /** Begins none any more, and ends those that run. */
  async end(): Promise<void> {
    this.#end.abort(new Error('the blob transfer is over'));
    // Who waits for room on the tape looks again.
    this.#parts.tape.wake();
    this.#look?.[Symbol.dispose]();
    await Promise.allSettled([...this.#running].map(async ({ done }) => await done));
  }

  #ended(request: RangeRequest, error: unknown): void {
    this.#running.delete(request);
    const { digest, followers, log, repository } = this.#parts;
    if (request.received >= minRequested || (request.received > 0 && error === undefined)) this.#vain = 0;
    else if (error !== undefined && !this.#signal.aborted && !request.isEnded) {
      this.#vain += this.#isClearNo(error, request) ? maxVain : 1;
      log.info({ err: error, digest, repository, ...request.range }, 'a part of a blob could not be fetched');
    }
    followers.wake();
  }

  /** What is not asked for again. Behind the end that there is no such part says nothing of parts. */
  #isClearNo(error: unknown, { range }: RangeRequest): boolean {
    const { known = 0 } = this.#parts.size;
    return error instanceof RegistryError && error.status < 500 && (range?.first ?? 0) < known;
  }

  #isAskedFor(byte: number): boolean {
    return this.#running
      .values()
      .some(({ isQueued, range }) => isQueued && range && range.first <= byte && byte <= range.last);
  }

  get #isEndAskedFor(): boolean {
    return this.#running.values().some(({ range }) => range === undefined);
  }

  /** Behind what is wanted, and what is soon wanted then; before what is here or asked for. */
  #endOf(at: number, until: number, whole: number): number {
    const { runs, tape } = this.#parts;
    const aligned = Math.ceil(Math.max(until, at + minRequested) / minRequested) * minRequested;
    let end = Math.min(whole, aligned, tape.here.nextFrom(at));
    for (const { range } of this.#running)
      if (range !== undefined && range.first > at) end = Math.min(end, range.first);
    return Math.min(end, runs.nextFrom(at));
  }
}
