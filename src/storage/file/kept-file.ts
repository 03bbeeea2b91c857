import type { KeptSpool } from '../kept-spools.ts';
import type { Ranges } from '../ranges.ts';
import type { SpoolNote } from '../spool-store.ts';
import type { PartialFile } from './partial-file.ts';

/** A partial file that nobody has open. */
export class KeptFile implements KeptSpool {
  readonly partial: PartialFile;
  readonly note: SpoolNote;
  readonly ranges: Ranges;

  constructor(partial: PartialFile, note: SpoolNote, ranges: Ranges) {
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
