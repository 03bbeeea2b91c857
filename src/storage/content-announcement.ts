import type { Clock } from '../base/clock.ts';
import type { Digest } from '../oci/reference.ts';
import type { MetadataStore } from './metadata-store.ts';
import { announceContent } from './operation.ts';

/** Who ends without a word keeps it no longer: time enough to go on with what was interrupted. Milliseconds. */
const announcedMs = 60 * 60_000;
/** In one transaction. */
const announcedAtOnce = 100;

interface AnnouncementParts {
  readonly metadata: MetadataStore;
  readonly clock: Clock;
}

/**
 * Puts on record which bytes come before it is known what names them. So no file gets its name in the store without a row that leads to it, however its
 * process ends. It is said again and again until this is disposed of; what nothing has named an hour later is removed.
 */
export class ContentAnnouncement implements Disposable {
  readonly #parts: AnnouncementParts;
  readonly #digests = new Set<Digest>();
  #timer: Disposable | undefined;

  constructor(parts: AnnouncementParts) {
    this.#parts = parts;
  }

  /** To be awaited before the bytes have their name in the store. Rejects where the index cannot be changed. */
  async add(digest: Digest): Promise<void> {
    if (this.#digests.has(digest)) return;
    await this.#write([digest]);
    this.#digests.add(digest);
    if (this.#timer === undefined) this.#renewLater();
  }

  #renewLater(): void {
    this.#timer = this.#parts.clock.after(announcedMs / 4, () => {
      this.#renewLater();
      // There is time for another try.
      this.#renew().catch(() => undefined);
    });
  }

  async #renew(): Promise<void> {
    const all = [...this.#digests];
    for (let at = 0; at < all.length; at += announcedAtOnce)
      await this.#write(all.slice(at, at + announcedAtOnce));
  }

  async #write(digests: readonly Digest[]): Promise<void> {
    const { metadata, clock } = this.#parts;
    await metadata.change([announceContent(digests, clock.now() + announcedMs)]);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }
}
