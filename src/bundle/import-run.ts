import type { ArchiveLoadParts } from '../load/archive/archive-load.ts';
import type { LoadedImage } from '../load/load-images.ts';
import { Tally } from '../load/tally.ts';
import type { Platform } from '../oci/platform.ts';

/** What all that is imported in one go shares. */
export class ImportRun {
  readonly parts: ArchiveLoadParts;
  /** Of an index only these; none: what is there. */
  readonly platforms: readonly Platform[];
  readonly signal: AbortSignal;
  /** Told of each image as it ends, and of what else is wrong under its place. */
  readonly ended: (image: LoadedImage) => void;

  constructor(settings: Pick<ImportRun, 'parts' | 'platforms' | 'signal' | 'ended'>) {
    this.parts = settings.parts;
    this.platforms = settings.platforms;
    this.signal = settings.signal;
    this.ended = settings.ended;
  }

  /** `problem` in words. */
  failed(name: string, problem: string): void {
    this.ended({ name, problem, tally: new Tally() });
  }
}
