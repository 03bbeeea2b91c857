import { abortable } from '../../base/abortable.ts';
import type { VerifiedBlob } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/error.ts';
import { blamed, Fault } from '../../oci/fault.ts';
import { InOrder, type TransferParts } from './in-order.ts';
import { OtherBlobError } from './overlap.ts';
import { Pace } from './pace.ts';

/** Resumes without a single new byte before a fill gives up (containerd allows 3, dockerd 5). */
const maxVainResumes = 4;
/** Nobody waits for a transfer: it is judged slow so often in a row before it is ended, the first time another connection is tried. */
const maxSlowAlone = 2;

/**
 * Brings what is missing of one blob from upstream, in order: a cut is resumed, another place tried where one was wrong, another
 * connection where one hardly gets on. What is here already, or on its way as a part, is passed over.
 */
export class BlobTransfer {
  readonly #parts: TransferParts;
  readonly #abort = new AbortController();
  readonly #inOrder: InOrder;
  #isHopeless = false;
  #refutation: unknown;

  constructor(parts: TransferParts) {
    this.#parts = parts;
    this.#inOrder = new InOrder(parts, this.#abort.signal);
  }

  /** All bytes before this one have come. */
  get at(): number {
    return this.#inOrder.at;
  }

  /** Have upstream's headers come, once? */
  get isBegun(): boolean {
    return this.#inOrder.isBegun;
  }

  /** Is this byte here soon by what comes in order? */
  bringsSoon(byte: number): boolean {
    return this.#inOrder.bringsSoon(byte);
  }

  /** Is it known that what came is not the blob? */
  get isRefuted(): boolean {
    return this.#refutation !== undefined;
  }

  /** Why it is not. */
  get refutation(): unknown {
    return this.#refutation;
  }

  /** May another transfer go on with what came? */
  get isWorthKeeping(): boolean {
    return !this.isRefuted && !this.#isHopeless && !this.#inOrder.isHopeless;
  }

  /** Aborted when it is ended. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Ends it now. */
  cancel(reason: unknown): void {
    this.#abort.abort(reason);
    this.#parts.tape.wake();
    this.#parts.runs.moved();
  }

  /** All of it, and right; `begun` is called when upstream's headers are here. Throws upstream's error, UNAVAILABLE where it lied. */
  async run(begun: () => void): Promise<VerifiedBlob> {
    const { clock, digest, repository, settings, source } = this.#parts;
    using pace = new Pace(clock, (times) => this.#slow(times));
    try {
      await this.#transfer(pace, begun);
      return await this.#verified();
    } catch (error) {
      if (error instanceof OtherBlobError) {
        this.#isHopeless = true;
        source.leavePlaces();
      }
      // Whoever ended it says so.
      if (this.at > 0 && !this.signal.aborted)
        settings.log.warn({ err: error, digest, repository }, 'blob transfer failed');
      throw error;
    }
  }

  async #verified(): Promise<VerifiedBlob> {
    const { front, source } = this.#parts;
    try {
      const blob = await abortable(front.verify(), this.signal);
      source.wasRight();
      return blob;
    } catch (error) {
      this.#isHopeless ||= !this.signal.aborted;
      if (!(error instanceof Fault)) throw error;
      this.#refutation = blamed(error, 'UNAVAILABLE', 'upstream sent');
      source.leavePlaces();
      throw this.#refutation;
    }
  }

  /** Another connection is tried beside this one. What nobody waits for is not worth more than that. */
  #slow(times: number): void {
    const { digest, followers, repository, settings } = this.#parts;
    const fields = { digest, repository, at: this.at };
    if (times < maxSlowAlone || followers.isWaitedFor) {
      settings.log.info(fields, 'a blob transfer hardly gets on: trying another connection');
      this.#inOrder.challenge();
    } else {
      settings.log.info(fields, 'a blob transfer hardly gets on, and nobody waits for it: it is ended');
      this.cancel(new Error('nobody waited for this blob, of which hardly a byte came'));
    }
  }

  async #transfer(pace: Pace, begun: () => void): Promise<void> {
    const inOrder = this.#inOrder;
    for (let vain = 0; ; ) {
      await inOrder.passOver();
      const before = this.at;
      try {
        if (await inOrder.receive(pace, begun)) return;
        vain = 0;
      } catch (error) {
        // All is here, whatever came behind it.
        if (inOrder.isRight) return;
        vain = this.at > before ? 0 : vain + 1;
        if (vain > maxVainResumes || !this.#canResume(error))
          throw before > 0 ? this.#ofUpstream(error) : error;
        await this.#pause(vain, error);
      }
    }
  }

  /**
   * Not before upstream's first headers, where retrying is the transport's business, unless they were wrong and there is
   * another place; not after a definite answer.
   */
  #canResume(error: unknown): boolean {
    const { size, source } = this.#parts;
    if (!this.isWorthKeeping || this.signal.aborted || error instanceof OtherBlobError) return false;
    if (!this.#inOrder.isBegun && !source.hasAnotherPlace && !size.isDisputed) return false;
    return !(error instanceof RegistryError) || error.status >= 500 || error.status === 429;
  }

  async #pause(vain: number, error: unknown): Promise<void> {
    const { clock, digest, settings } = this.#parts;
    const { log, random } = settings;
    log.info({ err: error, digest, at: this.at }, 'resuming a cut blob transfer');
    await clock.sleep(random() * Math.min(5000, 200 * 2 ** vain), this.signal);
  }

  /** It was our own range, to go on, that upstream could not satisfy: nobody's who asked for the blob. */
  #ofUpstream(error: unknown): unknown {
    if (!(error instanceof RegistryError) || error.code !== 'RANGE_INVALID') return error;
    this.#isHopeless = true;
    return new RegistryError('UNAVAILABLE', 'upstream has less of the blob than it should', { cause: error });
  }
}
