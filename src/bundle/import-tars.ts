import { createReadStream } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ArchiveBlobs } from '../load/archive/archive-blobs.ts';
import {
  type ArchiveEntry,
  type ArchiveLink,
  BrokenOffError,
  tarEntries,
  type WrongEntry,
} from '../load/archive/archive-entries.ts';
import { ArchiveFaults } from '../load/archive/archive-faults.ts';
import { addFaults, imagesOf, imported } from '../load/archive/archive-load.ts';
import type { ArchivedImage } from '../load/archive/archived-images.ts';
import type { BroughtBlob } from '../load/archive/import-image.ts';
import { readArchive } from '../load/archive/read-archive.ts';
import { kindOf } from '../load/image-files.ts';
import { LoadError, reasonOf } from '../load/load-error.ts';
import { Tally } from '../load/tally.ts';
import type { Digest } from '../oci/reference.ts';
import { type BundleList, listName, readList } from './bundle-list.ts';
import { EarlierContent } from './earlier-content.ts';
import type { ImportRun } from './import-run.ts';

/** What several tars have together. */
class TarSet implements Disposable {
  readonly tally = new Tally();
  /** With the paths of the tars that name them. */
  readonly images: { readonly image: ArchivedImage; readonly place: string }[] = [];
  readonly brought = new Map<Digest, BroughtBlob>();
  readonly lists: BundleList[] = [];
  readonly faults = new ArchiveFaults();
  readonly #run: ImportRun;
  readonly #blobs: ArchiveBlobs;

  constructor(run: ImportRun) {
    this.#run = run;
    this.#blobs = new ArchiveBlobs(run.parts, this.tally, run.signal);
  }

  /** Returns the tars that it names and that lie beside it. */
  async readList(path: string): Promise<string[]> {
    const tars: string[] = [];
    await this.#orFault(path, async () => {
      const list = await readList(createReadStream(path), path);
      this.lists.push(list);
      for (const { file } of list.chunks) {
        const tar = join(dirname(path), file);
        if ((await kindOf(tar)) === 'archive') tars.push(tar);
      }
    });
    return tars;
  }

  /** What of it is not right is told in the end, and the rest of it counts. */
  async read(path: string): Promise<void> {
    const { signal, parts } = this.#run;
    await this.#orFault(path, async () => {
      const archive = await readArchive(this.#entries(path), this.#blobs);
      signal.throwIfAborted();
      for (const { digest, size, stamp } of archive.blobs.values()) this.brought.set(digest, { size, stamp });
      addFaults(archive, path, this.faults);
      // One of several tars need name no image.
      if (archive.layout.length + archive.saved.length === 0) return;
      const images = await imagesOf(archive, path, this.faults, parts);
      for (const image of images) this.images.push({ image, place: path });
    });
  }

  /** Those of which a list says that they have blobs which nobody has brought. */
  blameMissing(): void {
    for (const { chunks, blobs } of this.lists) {
      const missing = new Map<string, Digest[]>();
      for (const { digest, chunk } of blobs.values()) {
        const file = chunk === undefined ? undefined : chunks[chunk - 1]?.file;
        if (file === undefined || this.brought.has(digest)) continue;
        const digests = missing.get(file);
        if (digests === undefined) missing.set(file, [digest]);
        else digests.push(digest);
      }
      for (const [file, digests] of missing) this.faults.addMissing(file, digests);
    }
  }

  async *#entries(path: string): AsyncGenerator<ArchiveEntry | ArchiveLink | WrongEntry> {
    for await (const entry of tarEntries(path)) {
      if ('body' in entry && entry.path === listName) yield* this.#listIn(entry, path);
      else yield entry;
    }
  }

  async *#listIn({ body }: ArchiveEntry, path: string): AsyncGenerator<WrongEntry> {
    try {
      this.lists.push(await readList(body, `${listName} in ${path}`));
    } catch (error) {
      if (!(error instanceof LoadError) || error instanceof BrokenOffError) throw error;
      yield { problem: error.message };
    }
  }

  async #orFault(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.faults.add(path, reasonOf(this.#run.signal.aborted ? this.#run.signal.reason : error));
    }
  }

  [Symbol.dispose](): void {
    this.#blobs[Symbol.dispose]();
  }
}

/**
 * Imports what several tars have together, in whichever order they come: of a bundle that is split each has some of the blobs, and one says what the images are. Each is
 * read once, and what it has goes into the store as it comes.
 */
export async function importTars(
  tars: readonly string[],
  lists: readonly string[],
  run: ImportRun,
): Promise<void> {
  using set = new TarSet(run);
  const all = new Set(tars.map((path) => resolve(path)));
  for (const path of lists) for (const tar of await set.readList(path)) all.add(resolve(tar));
  for (const path of all) if (!run.signal.aborted) await set.read(path);
  if (!run.signal.aborted) {
    set.blameMissing();
    if (set.images.length === 0 && (set.faults.isEmpty || set.lists.length > 0))
      set.faults.add([...all, ...lists].join(', '), noImage(set));
    await importImages(set, run);
  }
  for (const fault of set.faults.told()) run.ended(fault);
}

async function importImages(
  { images, brought, lists, faults, tally }: TarSet,
  run: ImportRun,
): Promise<void> {
  const { parts, platforms } = run;
  const content = { bring: async (digest: Digest) => brought.get(digest) };
  const source = new EarlierContent(content, lists, { content: parts.content, proved: new Map() });
  // The first bears what reading the tars cost.
  for (const [at, { image, place }] of images.entries()) {
    if (run.signal.aborted) return;
    const result = await imported(image, platforms, source, parts, at === 0 ? tally : new Tally());
    if (!faults.cost(result, place)) run.ended(result);
  }
}

function noImage({ lists }: TarSet): string {
  return lists.length > 0
    ? 'no image can be imported without the tar that has index.json'
    : 'there is no image in it: neither index.json nor manifest.json names one, or that is in another tar of the bundle';
}
