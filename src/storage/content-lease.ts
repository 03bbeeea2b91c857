import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Digest } from '../oci/reference.ts';
import type { MetadataStore } from './metadata-store.ts';
import { endLease, leaseContent } from './operation.ts';

/** In one transaction. */
const leasedAtOnce = 100;
/** Who ends without a word keeps it no longer. Milliseconds. */
const leaseMs = 10 * 60_000;

interface LeaseParts {
  readonly metadata: MetadataStore;
  readonly clock: Clock;
}

/**
 * Keeps what is in the store already, and perhaps named by nobody any more, until it is named: for whoever names what he did not bring just now, however
 * long the rest takes him. Disposed of it is given back, or runs out where the index cannot be changed.
 */
export class ContentLease implements AsyncDisposable {
  readonly #digests: readonly Digest[];
  readonly #holder: string;
  readonly #parts: LeaseParts;
  #timer: Disposable | undefined;
  #renewing: Promise<void> | undefined;

  private constructor(digests: readonly Digest[], holder: string, parts: LeaseParts) {
    this.#digests = digests;
    this.#holder = holder;
    this.#parts = parts;
    this.#renewLater();
  }

  /** `doing`: in a word. Rejects where the index cannot be changed. What goes before it settles may be gone. */
  static async take(digests: readonly Digest[], doing: string, parts: LeaseParts): Promise<ContentLease> {
    // Of two who do the same each gives back his own.
    const lease = new ContentLease(digests, `${doing} ${randomUUID()}`, parts);
    try {
      await lease.#renew();
      return lease;
    } catch (error) {
      lease.#timer?.[Symbol.dispose]();
      throw error;
    }
  }

  #renewLater(): void {
    this.#timer = this.#parts.clock.after(leaseMs / 2, () => {
      this.#renewLater();
      // There is time for another try.
      this.#renewing = this.#renew().catch(() => undefined);
    });
  }

  async #renew(): Promise<void> {
    const { metadata, clock } = this.#parts;
    for (const some of this.#inParts())
      await metadata.change([leaseContent(some, this.#holder, clock.now() + leaseMs)]);
  }

  async #end(): Promise<void> {
    for (const some of this.#inParts()) await this.#parts.metadata.change([endLease(some, this.#holder)]);
  }

  *#inParts(): Generator<readonly Digest[]> {
    for (let at = 0; at < this.#digests.length; at += leasedAtOnce)
      yield this.#digests.slice(at, at + leasedAtOnce);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    // What is being said has to be said before.
    await this.#renewing;
    await this.#end().catch(() => undefined);
  }
}
