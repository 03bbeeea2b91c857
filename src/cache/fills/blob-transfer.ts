import { abortable } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { VerifiedBlob } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/error.ts';
import { blamed, Fault } from '../../oci/fault.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { BlobReader, Registry } from '../../oci/registry.ts';
import type { BlobSource } from './blob-source.ts';
import { FillRun, type FillRunParts } from './fill-run.ts';
import type { RunUnderWay } from './fill-runs.ts';
import type { FillSize } from './fill-size.ts';
import { type Here, OtherBlobError } from './overlap.ts';
import { Pace } from './pace.ts';
import { PutOffError } from './put-off.ts';
import { Relay } from './relay.ts';
import { soonMs } from './speed.ts';

/** Resumes without a single new byte before a fill gives up (containerd allows 3, dockerd 5). */
const maxVainResumes = 4;
/** Nobody waits for a transfer: it is judged slow so often in a row before it is ended, the first time another connection is tried. */
const maxSlowAlone = 2;
/** What is on its way at less than this part of the rate in order is not waited for. By less several that share a link would differ, or a busy machine. */
const muchSlower = 16;
/** So long it is watched before that is said: a busy machine reads nothing for a while. Milliseconds. */
const watchedMs = 3000;
/** A part of what was asked for, as some upstreams send, is at least so long, or it is taken for a cut. Bytes. */
const minPart = 64 * 1024;

export interface TransferSettings {
  readonly upstream: Pick<Registry, 'getBlob'>;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1, for jitter. */
  readonly random: () => number;
}

export interface TransferParts extends FillRunParts {
  readonly digest: Digest;
  /** In whose name upstream is asked. */
  readonly repository: RepositoryName;
  readonly size: FillSize;
  readonly source: BlobSource;
  readonly settings: TransferSettings;
}

/** What is waited for, and since when and where. */
interface Watch {
  readonly run: RunUnderWay;
  readonly at: number;
  readonly since: number;
}

/**
 * Brings what is missing of one blob from upstream, in order: a cut is resumed, another place tried where one was wrong, another
 * connection where one hardly gets on. What is here already, or on its way as a part, is passed over.
 */
export class BlobTransfer {
  readonly #parts: TransferParts;
  readonly #abort = new AbortController();
  #at = 0;
  /** How fast the last run in order was, until something was in its way. Bytes a millisecond. */
  #rate = 0;
  #relay: Relay | undefined;
  #isBegun = false;
  #hopeless = false;
  #piping = false;
  #refutation: unknown;

  constructor(parts: TransferParts) {
    this.#parts = parts;
  }

  /** All bytes before this one have come. */
  get at(): number {
    return this.#at;
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
    return !this.isRefuted && !this.#hopeless;
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
    const { digest, repository, settings, source } = this.#parts;
    using pace = new Pace(settings.clock, (times) => this.#slow(times));
    try {
      await this.#transfer(pace, begun);
      return await this.#verified();
    } catch (error) {
      if (error instanceof OtherBlobError) {
        this.#hopeless = true;
        source.leavePlaces();
      }
      // Whoever ended it says so.
      if (this.#at > 0 && !this.#abort.signal.aborted)
        settings.log.warn({ err: error, digest, repository }, 'blob transfer failed');
      throw error;
    }
  }

  async #verified(): Promise<VerifiedBlob> {
    try {
      const blob = await abortable(this.#parts.front.verify(), this.#abort.signal);
      this.#parts.source.wasRight();
      return blob;
    } catch (error) {
      this.#hopeless ||= !this.signal.aborted;
      if (!(error instanceof Fault)) throw error;
      this.#refutation = blamed(error, 'UNAVAILABLE', 'upstream sent');
      this.#parts.source.leavePlaces();
      throw this.#refutation;
    }
  }

  /** Another connection is tried beside this one. What nobody waits for is not worth more than that. */
  #slow(times: number): void {
    const { digest, followers, repository, settings } = this.#parts;
    const fields = { digest, repository, at: this.#at };
    if (times < maxSlowAlone || followers.isWaitedFor) {
      settings.log.info(fields, 'a blob transfer hardly gets on: trying another connection');
      this.#relay?.challenge();
    } else {
      settings.log.info(fields, 'a blob transfer hardly gets on, and nobody waits for it: it is ended');
      this.cancel(new Error('nobody waited for this blob, of which hardly a byte came'));
    }
  }

  async #transfer(pace: Pace, begun: () => void): Promise<void> {
    for (let vain = 0; ; ) {
      await this.#passOver();
      const before = this.#at;
      try {
        if (await this.#receive(pace, begun)) return;
        vain = 0;
      } catch (error) {
        // All is here, whatever came behind it.
        if (this.#isRight) return;
        vain = this.#at > before ? 0 : vain + 1;
        if (vain > maxVainResumes || !this.#canResume(error))
          throw before > 0 ? this.#ofUpstream(error) : error;
        await this.#pause(vain, error);
      }
    }
  }

  /** Waits for what is on its way, as long as that is not far slower than what came in order was. */
  async #passOver(): Promise<void> {
    const { runs, tape } = this.#parts;
    let watch: Watch | undefined;
    while (tape.isStored) {
      this.#at = tape.here.endFrom(this.#at);
      const run = runs.bringing(this.#at);
      if (run === undefined) return;
      this.signal.throwIfAborted();
      const now = this.#parts.clock.monotonic();
      if (watch?.run !== run) watch = { run, at: run.at, since: now };
      if (now - watch.since >= watchedMs) {
        if ((run.at - watch.at) * muchSlower < (now - watch.since) * this.#rate) return run.giveUp();
        watch = undefined;
      }
      await this.#moved();
    }
  }

  /** Settles when more has come, or it is time to see whether it does. */
  async #moved(): Promise<void> {
    const { runs, settings } = this.#parts;
    const late = Promise.withResolvers<void>();
    using _ = settings.clock.after(soonMs, late.resolve);
    await Promise.race([runs.next(), late.promise]);
  }

  /** By the digest, where nobody has said how long it is. */
  get #isWhole(): boolean {
    const { known } = this.#parts.size;
    return this.#isBegun && ((known !== undefined && this.#at >= known) || this.#isRight);
  }

  /** Of no bytes there is a blob, too: none is here before upstream has said that it has it. */
  get #isRight(): boolean {
    const { front } = this.#parts;
    return this.#isBegun && front.size === this.#at && front.isRight;
  }

  /**
   * Not before upstream's first headers, where retrying is the transport's business, unless they were wrong and there is
   * another place; not after a definite answer.
   */
  #canResume(error: unknown): boolean {
    const { size, source } = this.#parts;
    if (this.#hopeless || this.#abort.signal.aborted || error instanceof OtherBlobError) return false;
    if (!this.#isBegun && !source.hasAnotherPlace && !size.isDisputed) return false;
    return !(error instanceof RegistryError) || error.status >= 500 || error.status === 429;
  }

  async #pause(vain: number, error: unknown): Promise<void> {
    const { digest, settings } = this.#parts;
    const { clock, log, random } = settings;
    log.info({ err: error, digest, at: this.#at }, 'resuming a cut blob transfer');
    await clock.sleep(random() * Math.min(5000, 200 * 2 ** vain), this.#abort.signal);
  }

  /** False: there is more, behind the part that upstream gave or what is here already. */
  async #receive(pace: Pace, begun: () => void): Promise<boolean> {
    if (this.#isWhole) return true;
    const { digest, repository, settings, source, tape } = this.#parts;
    const { signal } = this.#abort;
    const before = this.#at;
    const first = await source.open(repository, this.#gap(), signal);
    try {
      this.#begin(begun);
    } catch (error) {
      await first[Symbol.asyncDispose]();
      throw error;
    }
    using run = new FillRun(before, Number.POSITIVE_INFINITY, this.#parts);
    this.#relay = new Relay({
      here: this.#here,
      pace,
      clock: settings.clock,
      signal,
      open: async (ending) => await source.open(repository, this.#gap(), ending, true),
      leads: (reader) => source.gives(reader),
      take: async (chunk, reader) => await this.#take(run, chunk, reader),
      lost: (error) => settings.log.info({ err: error, digest }, 'the blob transfer goes on as it was'),
    });
    const last = await this.#relay.run(first);
    this.#rate = run.rate;
    return !(run.isOver && tape.isStored) && this.#isAll(last, before);
  }

  /** Upstream's headers are here. Throws OtherBlobError where an earlier transfer has left more than the blob has. */
  #begin(begun: () => void): void {
    const { size, tape } = this.#parts;
    this.#isBegun = true;
    if (size.known !== undefined && tape.end > size.known) throw new OtherBlobError();
    tape.mark(size.known);
    begun();
  }

  /** What is missing from here on: to the end, where nothing is here further on. */
  #gap(): { first: number; last: number | undefined } {
    const { tape } = this.#parts;
    const next = tape.isStored ? tape.here.nextFrom(this.#at) : Number.POSITIVE_INFINITY;
    return { first: this.#at, last: Number.isFinite(next) ? next - 1 : undefined };
  }

  get #here(): Here {
    const at = () => this.#at;
    const { front } = this.#parts;
    return {
      get size() {
        return at();
      },
      sum: () => front.sum(at()),
    };
  }

  #isAll(last: BlobReader, before: number): boolean {
    const { expected = 0 } = this.#parts.size;
    if (this.#at >= expected || this.#isWhole) return true;
    if (last.range !== undefined && this.#at - before >= minPart) return false;
    throw new RegistryError('UNAVAILABLE', `upstream ended after ${this.#at} of ${expected} bytes`);
  }

  /** True: what comes next is here already, or on its way. */
  async #take(run: FillRun, chunk: Uint8Array, reader: BlobReader): Promise<boolean> {
    this.#checkLength(this.#at + chunk.length);
    const { size } = this.#parts;
    const taken = run.take(chunk, reader, this.#at + chunk.length === size.expected, this.#abort.signal);
    this.#at = run.at;
    if (!(await taken)) this.#pipe();
    return run.isOver;
  }

  #checkLength(length: number): void {
    const { followers, size, source } = this.#parts;
    const { limit, limitAlone } = size;
    if (length > limit) {
      this.#hopeless = true;
      source.leavePlaces();
      throw new RegistryError('UNAVAILABLE', `upstream sent more than the blob's ${limit} bytes`);
    }
    if (length <= limitAlone || followers.isWaitedFor) return;
    this.#hopeless = true;
    throw new Error(
      `more than ${limitAlone} bytes of a blob whose size nobody says, and nobody waits for it`,
    );
  }

  #pipe(): void {
    const { digest, followers, settings, tape } = this.#parts;
    if (!this.#piping)
      settings.log.error({ err: tape.storeError, digest }, 'blob cannot be stored: passing it through');
    this.#piping = true;
    if (!followers.isEmpty) return;
    this.#hopeless = true;
    throw new PutOffError('nobody reads a blob that cannot be stored', {
      isOfAll: true,
      cause: tape.storeError,
    });
  }

  /** It was our own range, to go on, that upstream could not satisfy: nobody's who asked for the blob. */
  #ofUpstream(error: unknown): unknown {
    if (!(error instanceof RegistryError) || error.code !== 'RANGE_INVALID') return error;
    this.#hopeless = true;
    return new RegistryError('UNAVAILABLE', 'upstream has less of the blob than it should', { cause: error });
  }
}
