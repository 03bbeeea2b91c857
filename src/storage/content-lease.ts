import type { Clock } from '../base/clock.ts';
import type { Digest } from '../oci/reference.ts';
import type { MetadataStore } from './metadata-store.ts';
import { leaseContent } from './operation.ts';

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
 * long the rest takes him. Disposed of it runs out.
 */
export class ContentLease implements Disposable {
  readonly #digests: readonly Digest[];
  readonly #holder: string;
  readonly #parts: LeaseParts;
  #timer: Disposable | undefined;

  private constructor(digests: readonly Digest[], holder: string, parts: LeaseParts) {
    this.#digests = digests;
    this.#holder = holder;
    this.#parts = parts;
    this.#renewLater();
  }

  /** Rejects where the index cannot be changed. What goes before it settles may be gone. */
  static async take(digests: readonly Digest[], holder: string, parts: LeaseParts): Promise<ContentLease> {
    await write(digests, holder, parts);
    return new ContentLease(digests, holder, parts);
  }

  #renewLater(): void {
    this.#timer = this.#parts.clock.after(leaseMs / 2, () => {
      this.#renewLater();
      // There is time for another try.
      write(this.#digests, this.#holder, this.#parts).catch(() => undefined);
    });
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }
}

async function write(
  digests: readonly Digest[],
  holder: string,
  { metadata, clock }: LeaseParts,
): Promise<void> {
  for (let at = 0; at < digests.length; at += leasedAtOnce) {
    const some = digests.slice(at, at + leasedAtOnce);
    await metadata.change([leaseContent(some, holder, clock.now() + leaseMs)]);
  }
}
