import type { KeptSpool } from '../kept-spools.ts';
import type { Ranges } from '../ranges.ts';
import type { SpoolNote } from '../spool-store.ts';
import type { SpoolPlace } from './spool-place.ts';

/** A partial file that nobody has open. */
export class KeptFile implements KeptSpool {
  readonly partial: SpoolPlace;
  readonly note: SpoolNote;
  readonly ranges: Ranges;

  constructor(partial: SpoolPlace, note: SpoolNote, ranges: Ranges) {
    this.partial = partial;
    this.note = note;
    this.ranges = ranges;
  }

  get bytes(): number {
    return this.ranges.total;
  }

  async discard(): Promise<void> {
    await this.partial.remove().catch(() => undefined);
  }
}
