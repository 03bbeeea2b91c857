import { Ranges } from '../ranges.ts';
import type { Spool } from '../spool-store.ts';
import type { UploadBytes, UploadSpools } from '../upload-spools.ts';
import { type MemoryContent, MemorySpool, type MemorySpoolParts } from './memory-spool.ts';

interface Upload {
  readonly content: MemoryContent;
  writtenAt: number;
  isOpen: boolean;
}

/** Uploads, in memory. */
export class MemoryUploads implements UploadSpools {
  readonly #parts: MemorySpoolParts;
  readonly #now: () => number;
  readonly #all = new Map<string, Upload>();

  constructor(parts: MemorySpoolParts, now: () => number) {
    this.#parts = parts;
    this.#now = now;
  }

  async make(id: string): Promise<void> {
    this.#all.set(id, this.#made());
  }

  async open(id: string): Promise<Spool | undefined> {
    const upload = this.#all.get(id) ?? this.#made();
    if (upload.isOpen) return undefined;
    upload.isOpen = true;
    this.#all.set(id, upload);
    return new MemorySpool(this.#parts, upload.content, (wasPut) => {
      upload.isOpen = false;
      upload.writtenAt = this.#now();
      if (wasPut) this.#all.delete(id);
    });
  }

  async stat(id: string): Promise<UploadBytes | undefined> {
    const upload = this.#all.get(id);
    return upload && { size: upload.content.ranges.endFrom(0), writtenAt: upload.writtenAt };
  }

  async discard(id: string): Promise<void> {
    const upload = this.#all.get(id);
    if (upload === undefined || upload.isOpen) return;
    this.#all.delete(id);
    this.#parts.take(-upload.content.ranges.total);
  }

  async *list(): AsyncIterable<string> {
    yield* [...this.#all.keys()];
  }

  #made(): Upload {
    const content = { bytes: Buffer.alloc(0), ranges: new Ranges() };
    return { content, writtenAt: this.#now(), isOpen: false };
  }
}
